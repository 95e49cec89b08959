"""Writes what a package tree holds: share/torchferry/sbom.cdx.json (CycloneDX 1.5), and each bundled library's licence.

    describe_package.py TREE VERSION

The libraries come from Debian packages of this machine: their names, versions and copyright files are dpkg's.
"""

import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys


def main():
    tree, version = pathlib.Path(sys.argv[1]), sys.argv[2]
    share = tree / "share" / "torchferry"
    packages = {}
    for library in sorted((tree / "lib").iterdir()):
        packages.setdefault(package_of(library.name), []).append(library)
    for package in packages:
        folder = share / "licenses" / package
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(f"/usr/share/doc/{package}/copyright", folder / "copyright")
    components = [component(package, libraries) for package, libraries in sorted(packages.items())]
    sbom = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
            "metadata": {"component": {"type": "application", "name": "torchferry", "version": version,
                                       "licenses": [{"license": {"id": "Apache-2.0"}}]}},
            "components": components}
    (share / "sbom.cdx.json").write_text(json.dumps(sbom, indent=1) + "\n")
    (share / "VERSION").write_text(version + "\n")


def package_of(library):
    """The Debian package that has the library of this name."""
    found = run("dpkg-query", "--search", f"*/{library}").splitlines()
    names = {line.split(":")[0] for line in found if "diversion" not in line}
    if len(names) != 1:
        sys.exit(f"error: {library} is of {', '.join(sorted(names)) or 'no'} Debian package; expected one")
    return names.pop()


def component(package, libraries):
    version, source = run("dpkg-query", "--show", "--showformat", "${Version}\n${source:Package}\n", package).split()[:2]
    return {"type": "library", "name": package, "version": version,
            "purl": f"pkg:deb/debian/{package}@{version}?arch=amd64&upstream={source}",
            "licenses": [{"license": {"name": name}} for name in licenses(package)],
            "components": [{"type": "file", "name": library.name,
                            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(library.read_bytes()).hexdigest()}]}
                           for library in libraries]}


def licenses(package):
    """The names that the copyright file gives, where it is in Debian's format."""
    text = pathlib.Path(f"/usr/share/doc/{package}/copyright").read_text(errors="replace")
    return sorted(set(re.findall(r"^License: *(\S.*?) *$", text, re.MULTILINE)))


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
