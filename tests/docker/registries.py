"""A real registry on a free port, which can be stopped, started again, and locked with a password."""

import datetime as dt
import ipaddress
import json
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chatbot_service.building import Builder
from tests import machine

USERNAME = "reader"
PASSWORD = "correct horse"
# bcrypt of PASSWORD: the only kind that the registry reads.
_HTPASSWD = f"{USERNAME}:$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n"
_UP_WITHIN = 15.0


def free_port() -> int:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return int(plug.getsockname()[1])


@dataclass
class LocalRegistry:
    folder: Path
    locked: bool = False
    """With a password, and with TLS by a certificate of its own."""
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.pem"

    def push(self, image: str, repository: str, tag: str = "latest", *, engine: str = "") -> str:
        """Pushes a local image as `address/repository:tag` and returns its digest; the local name is removed again."""
        reference = f"{self.address}/{repository}:{tag}"
        builder = Builder(engine)
        host = ["--host", engine] if engine else []
        subprocess.run(["docker", *host, "tag", image, reference], check=True, capture_output=True)
        digest = builder.push(reference)
        builder.forget(reference)
        return digest

    def start(self) -> None:
        binary = machine.registry_binary()
        if binary is None:
            raise FileNotFoundError("docker-registry")
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "config.yml"
        config.write_text(json.dumps(self._config()))
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([binary, "serve", str(config)], stdout=log, stderr=log)
        self._wait_until_up()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def blob(self, digest: str) -> Path:
        """The file that holds the bytes of a digest, to be damaged."""
        algorithm, _, value = digest.partition(":")
        return self.folder / "data" / "docker/registry/v2/blobs" / algorithm / value[:2] / value / "data"

    def _config(self) -> dict[str, object]:
        http: dict[str, object] = {"addr": self.address, "secret": "tests"}
        config = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}, "delete": {"enabled": True}},
            "http": http,
        }
        if self.locked:
            key = self.folder / "key.pem"
            _write_certificate(self.certificate, key)
            (self.folder / "htpasswd").write_text(_HTPASSWD)
            http["tls"] = {"certificate": str(self.certificate), "key": str(key)}
            config["auth"] = {"htpasswd": {"realm": "tests", "path": str(self.folder / "htpasswd")}}
        return config

    def _wait_until_up(self) -> None:
        give_up_at = time.monotonic() + _UP_WITHIN
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if time.monotonic() > give_up_at:
                    raise TimeoutError((self.folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return


def _write_certificate(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry of the tests")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
