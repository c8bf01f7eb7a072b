"""What ``iter`` of a function changes, where ``iter`` of one argument changes nothing: see ``stillness``.

One program to a file: what it uses tells what is trusted.
"""


def run():
    left = [1, 2, 3, 4]
    same = left
    for each in iter(left):
        same
    for each in iter(left.pop, 1):
        same
    return same, each
