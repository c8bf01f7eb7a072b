"""Runs as ``python -S -c TEXT COMMANDS`` in a container that becomes an image: the commands, with their configuration.

The configuration comes in variables and is written to a memory file system, of which the image keeps nothing
(docs/decisions/0014).
"""

import glob
import json
import os
import subprocess
import sys

HOME = "/run/tracegen"
"""On memory, so that caches and credentials that a tool writes to its home do not land in the layer."""
SECONDS = 1800
CERTIFICATES = "TRACEGEN_CERTIFICATES_"
SOURCES = "TRACEGEN_APT_SOURCES_"
"""Prefixes of variables that hold a file in pieces: the kernel takes no variable beyond 128 KiB."""
CERTIFICATE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
FORCED = "TRACEGEN_APT_SOURCES_FORCED"
"""Set if the sources were given by name; else they serve only images that have none of their own."""
_OWN_SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources")
_APT = """
Dir::Etc::SourceList "{file}";
Dir::Etc::SourceParts "{home}/none";
Dir::State::Lists "{home}/lists";
Dir::Cache "{home}/cache";
Dir::Log "{home}/log";
APT::Sandbox::User "root";
"""
"""Lists and caches name the mirror, so they lie on memory, too. The sandbox's user could not read them there."""


def main() -> None:
    """Run every command; end with the reason of the first that fails."""
    os.environ["HOME"] = HOME
    certificates, sources = _taken(CERTIFICATES), _taken(SOURCES)
    forced = os.environ.pop(FORCED, "")
    if certificates:
        path = _written("certificates.pem", certificates)
        os.environ.update(dict.fromkeys(CERTIFICATE_VARIABLES, path))
    if sources and (forced or not _has_sources()):
        os.environ["APT_CONFIG"] = _apt(sources, bool(certificates))
    for command in json.loads(sys.argv[1]):
        try:
            code = subprocess.call(command, stdin=subprocess.DEVNULL, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            sys.exit(str(error))
        if code:
            sys.exit("%s ended with %d" % (command[0], code))


def _taken(prefix: str) -> str:
    return "".join(os.environ.pop(name) for name in sorted(os.environ) if name.startswith(prefix) and name != FORCED)


def _written(name: str, text: str) -> str:
    path = os.path.join(HOME, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _has_sources() -> bool:
    """Return whether the image names package sources itself."""
    return any(os.path.getsize(path) for pattern in _OWN_SOURCES for path in glob.glob(pattern))


def _apt(sources: str, certified: bool) -> str:
    """Write apt's configuration; return its path."""
    deb822 = any(line.lower().startswith("uris:") for line in sources.splitlines())
    file = _written("apt.sources" if deb822 else "apt.list", sources)
    for folder in ("none", "lists/partial", "cache/archives/partial", "log"):
        os.makedirs(os.path.join(HOME, folder), exist_ok=True)
    text = _APT.format(file=file, home=HOME)
    if certified:
        text += 'Acquire::https::CAInfo "%s/certificates.pem";\n' % HOME
    return _written("apt.conf", text)


if __name__ == "__main__":
    main()
