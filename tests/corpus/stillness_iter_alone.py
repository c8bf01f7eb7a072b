"""What ``iter`` of a function changes, if its name stands in no call: see ``stillness``.

One program to a file: what it uses tells what is trusted.
"""


def run():
    left = [1, 2, 3, 4]
    make = iter
    for each in make(left.pop, 1):
        left
    return left, each
