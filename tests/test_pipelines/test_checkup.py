"""The doctor finds what is wrong on a host and says what to do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.checkup import (
    DISTRIBUTION,
    PACKAGES,
    host_findings,
    is_installed,
    name_findings,
    python_finding,
    ray_findings,
    stranger_finding,
)

ROOT = Path(__file__).parents[2]


def test_an_old_python_is_missing_with_a_remedy() -> None:
    assert python_finding((3, 10)).state == "missing"
    assert "3.11" in python_finding((3, 10)).remedy
    assert python_finding((3, 13)).state == "ok"


def test_a_second_owner_of_a_name_is_found() -> None:
    owners = {name: [DISTRIBUTION] for name in PACKAGES}
    assert [finding.state for finding in name_findings(owners)] == ["ok"]
    (finding,) = name_findings({**owners, "schemas": [DISTRIBUTION, "other-schemas"]})
    assert (finding.state, "other-schemas" in finding.detail) == ("missing", True)


def test_the_stranger_is_named_with_the_way_out() -> None:
    assert stranger_finding(installed=False) == []
    assert "pip uninstall tracegen" in stranger_finding(installed=True)[0].remedy
    assert is_installed("pytest")
    assert not is_installed("a-distribution-of-nobody")


def test_rays_token_in_the_home_is_a_warning_unless_a_mode_is_set(tmp_path: Path) -> None:
    assert [finding.state for finding in ray_findings({}, tmp_path)] == ["ok"]
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("0")
    assert [finding.state for finding in ray_findings({}, tmp_path)] == ["ok", "warning"]
    assert [finding.state for finding in ray_findings({"RAY_AUTH_MODE": "token"}, tmp_path)] == ["ok"]


def test_every_finding_that_is_not_ok_says_what_to_do() -> None:
    assert all(finding.remedy for finding in host_findings() if finding.state != "ok")


@pytest.mark.patient
def test_the_verb_prints_all_of_them_and_ends_with_zero_or_three() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "doctor", "--json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)
    assert {"Python", "package names", "disk", "docker", "podman"} <= {finding["subject"] for finding in found}
    assert done.returncode == (3 if any(finding["state"] == "missing" for finding in found) else 0)
