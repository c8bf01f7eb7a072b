"""Values of the standard library, and crowds of objects with their own __repr__, as code has them."""

import datetime
import fractions
import pathlib
import unittest
import uuid
from decimal import Decimal


class Case(unittest.TestCase):
    def runTest(self):
        self.value = Decimal(1)
        self.other = self
        self._testMethodName = "renamed"
        del self._testMethodName
        self._testMethodName = "runTest"


class Point:
    def __init__(self, x):
        self.x = x

    def __repr__(self):
        return "Point(%r)" % (self.x,)


class Slots:
    __slots__ = ("x", "y")

    def __init__(self, x):
        self.x = x

    def __repr__(self):
        return "Slots(%r)" % (self.x,)


def numbers(total=Decimal(0)):
    prices = [Decimal(n) / 4 for n in range(50)]
    for price in prices[:3]:
        total += price
    prices[7] += total
    prices.append(None)
    rows = [[n, Decimal(n)] for n in range(9)]
    rows[3][1] = rows[4][1]
    part = fractions.Fraction(1, 3)
    parts = {part: [part + n for n in range(9)]}
    part += 1
    parts[part] = total
    return rows, parts


def times(zone=datetime.timezone.utc):
    day = datetime.date(2020, 1, 31)
    now = datetime.datetime(2020, 1, 31, 12)
    days = [day + datetime.timedelta(n) for n in range(10)]
    now = now.replace(tzinfo=zone)
    now += datetime.timedelta(hours=1)
    days[3] = now
    days[4:6] = [now.time(), uuid.UUID(int=7)]
    return days


def paths():
    root = pathlib.PurePosixPath("/srv")
    found = [root / ("f%d" % n) for n in range(9)]
    text = str(found[2])
    found[3] = found[2].with_suffix(".txt")
    return found, text


def crowds():
    points = [Point([n]) for n in range(12)]
    points[3].x.append(points[4])
    points[4].x = "both"
    points[5] = points[6]
    slots = [Slots(n) for n in range(12)]
    slots[7].x = slots[8]
    slots[8].y = 1
    del slots[9].x
    slots[9].x = slots[9].y = 0
    mixed = points + slots
    several = [points, slots, mixed, *points]
    mixed[0].x = mixed[1]
    return several


def run():
    case = Case()
    case.runTest()
    return case, numbers(), times(), paths(), crowds()
