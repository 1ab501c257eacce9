"""Package URLs for tools that give a package's type, name and version only."""

from deploy_records.scanners.identity import purl_of

_SYSTEMS = {
    **dict.fromkeys(("debian", "ubuntu", "raspbian", "echo"), "deb"),
    **dict.fromkeys(("alpine", "wolfi", "chainguard", "minimos"), "apk"),
    **dict.fromkeys(
        ("redhat", "centos", "rocky", "alma", "amazon", "oracle", "fedora", "photon", "azurelinux", "cbl-mariner", "mariner"),
        "rpm",
    ),
    **dict.fromkeys(("opensuse", "opensuse-leap", "opensuse-tumbleweed", "suse linux enterprise server", "sles"), "rpm"),
}
_LANGUAGES = {
    **dict.fromkeys(("npm", "yarn", "pnpm", "bun", "node-pkg", "javascript"), "npm"),
    **dict.fromkeys(("pip", "pipenv", "poetry", "uv", "pylock", "python-pkg", "python"), "pypi"),
    **dict.fromkeys(("gobinary", "gomod", "go"), "golang"),
    **dict.fromkeys(("jar", "pom", "gradle", "gradle-lockfile", "sbt", "sbt-lockfile", "java"), "maven"),
    **dict.fromkeys(("bundler", "gemspec", "ruby"), "gem"),
    **dict.fromkeys(("cargo", "rustbinary", "rust-binary"), "cargo"),
    **dict.fromkeys(("nuget", "dotnet-core", "packages-props", "packages-lock", "dotnet"), "nuget"),
    **dict.fromkeys(("composer", "composer-vendor", "php"), "composer"),
    **dict.fromkeys(("conda-pkg", "conda-environment", "conda"), "conda"),
    **{name: name for name in ("pub", "hex", "conan", "swift", "cocoapods", "julia", "deb", "apk", "rpm", "gem", "pypi")},
}
SYSTEMS = frozenset(_SYSTEMS)


def made(kind: str, name: str, version: str) -> str:
    """The package URL, or nothing for a type whose URLs we do not know how to write. `kind` is in Trivy's words."""
    if not name:
        return ""
    system = _SYSTEMS.get(kind)
    if system:
        namespace = {"redhat": "redhat", "sles": "suse"}.get(kind, kind if " " not in kind else "suse")
        return purl_of(system, namespace, name, version)
    language = _LANGUAGES.get(kind, "")
    divider = {"maven": ":", "npm": "/", "golang": "/", "composer": "/", "swift": "/"}.get(language)
    namespace, _divider, last = name.rpartition(divider) if divider else ("", "", name)
    return purl_of(language, namespace, last, version) if language and last else ""
