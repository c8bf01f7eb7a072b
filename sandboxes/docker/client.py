"""A connection that knows which engine is at its other end. Imports the client library, so it is imported late."""

from typing import Any

import docker

from sandboxes.docker.engines import Engine


class EngineClient(docker.APIClient):
    """Docker's client; containers are created with what the engine would otherwise choose in a way of its own."""

    def __init__(self, engine: Engine, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.engine = engine

    def create_container_from_config(self, config: Any, name: Any = None, platform: Any = None) -> Any:
        """Create a container; also the last step of ``create_container``."""
        config = {**config, **self.engine.container}
        host = dict(config.get("HostConfig") or {})
        stated = list(host.get("Ulimits") or [])
        named = {limit["Name"] for limit in stated}
        own = [
            {"Name": limit, "Soft": most, "Hard": most}
            for limit, most in self.engine.ulimits.items()
            if limit not in named
        ]
        if stated or own:
            host["Ulimits"] = [*stated, *own]
        config["HostConfig"] = host
        if self.engine.times_health and not self._has_health_check(config["Image"]):
            config.pop("Healthcheck", None)
        return super().create_container_from_config(config, name, platform)  # type: ignore[no-untyped-call]

    def seccomp_path(self) -> str:
        """Return which file the engine's usual filter of system calls is; of Podman only, which says so."""
        with self.get(f"{self.base_url}/v4.0.0/libpod/info", timeout=self.timeout) as answer:
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
        return str(found["host"]["security"]["seccompProfilePath"])

    def _has_health_check(self, image: str) -> bool:
        found: dict[str, Any] = self.inspect_image(image)  # type: ignore[no-untyped-call]
        return bool(found["Config"].get("Healthcheck"))
