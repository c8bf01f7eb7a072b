"""Prices of a basket: what the other examples trace."""


def total(prices: dict[str, int], discounts: dict[str, int]) -> int:
    """Return the sum after discounts, in cents."""
    paid = 0
    for name, price in prices.items():
        paid += reduced(price, discounts.get(name, 0))
    return paid


def reduced(price: int, percent: int) -> int:
    return price - price * percent // 100
