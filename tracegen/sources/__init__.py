"""Where jobs come from: files, modules, doctests, JSON lines, a call expression."""

from tracegen.sources.base import Planned, PlanSettings, PlanStatistics
from tracegen.sources.plan import plan_call, plan_sources

__all__ = ["PlanSettings", "PlanStatistics", "Planned", "plan_call", "plan_sources"]
