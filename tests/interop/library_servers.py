"""Programs that the libraries talk to, in the kernel's namespace: set up, started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .lab import Host, Process

POSTGRES = "postgres"


def make_ca(folder: Path, name: str, *addresses: str) -> Path:
    """ca.pem, and cert.pem and key.pem of a server that it vouches for; gives the CA's
    certificate.
    """
    ca, ca_key = folder / "ca.pem", folder / "ca-key.pem"
    cert, key = folder / "cert.pem", folder / "key.pem"
    new = ("openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec")
    new += ("-pkeyopt", "ec_paramgen_curve:prime256v1")
    # without this Python 3.13 takes it for no CA
    own = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    own += ("-subj", "/CN=test CA", "-keyout", str(ca_key), "-out", str(ca))
    names = ",".join([f"DNS:{name}", *(f"IP:{address}" for address in addresses)])
    what = ("-addext", f"subjectAltName={names}")
    what += ("-addext", "basicConstraints=critical,CA:FALSE")
    signed = ("-CA", str(ca), "-CAkey", str(ca_key), "-subj", f"/CN={name}")
    signed += ("-keyout", str(key), "-out", str(cert))
    for argv in ((*new, *own), (*new, *signed, *what)):
        subprocess.run(argv, check=True, capture_output=True, timeout=30)
    return ca


def make_ssh_keys(folder: Path) -> None:
    """host_key, user_key, and authorized_keys with the latter."""
    for name in ("host_key", "user_key"):
        argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name)
        subprocess.run(argv, check=True, capture_output=True, timeout=30)
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")


NGINX = """
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
daemon off;
events {{ worker_connections 512; }}
http {{
    access_log off;
    include /etc/nginx/mime.types;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {host}:80;
        listen {host}:443 ssl http2;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        root {folder}/site;
        location /moved {{ return 302 /file; }}
        location /gone {{ return 410; }}
        location ~ ^/small/(\\d+)$ {{ return 200 $1; }}
        location /slow {{ alias {folder}/site/file; limit_rate 100k; }}
    }}
}}
"""


def start_nginx(host: Host, folder: Path, address: str) -> Process:
    """Serves folder/site over HTTP and HTTPS, with folder's certificate."""
    (folder / "site").mkdir(exist_ok=True)
    conf = folder / "nginx.conf"
    conf.write_text(NGINX.format(folder=folder, host=address))
    argv = ("-p", str(folder), "-e", f"{folder}/error.log", "-c", str(conf))
    return host.start("nginx", *argv)


SSHD = """
ListenAddress {host}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/sshd.pid
StrictModes no
UsePAM no
PermitRootLogin yes
Subsystem sftp internal-sftp
"""


def start_sshd(host: Host, folder: Path, address: str) -> Process:
    # its place for the time before a log-in; the package's service would make it
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    conf = folder / "sshd_config"
    conf.write_text(SSHD.format(folder=folder, host=address))
    sshd = shutil.which("sshd")
    assert sshd is not None
    return host.start(sshd, "-D", "-e", "-f", str(conf))


def start_redis(host: Host, folder: Path, address: str) -> Process:
    kept = ("--save", "", "--appendonly", "no", "--dir", str(folder))
    argv = ("--bind", address, "--port", "6379", "--protected-mode", "no", *kept)
    return host.start("redis-server", *argv)


def postgres_programs() -> Path:
    """Where Debian puts the newest version's."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max(versions, key=lambda path: float(path.parts[-3])).parent


@contextmanager
def postgres(host: Host, folder: Path, address: str) -> Iterator[Process]:
    """With folder's certificate, and everybody trusted. It refuses to be root."""
    programs = postgres_programs()
    with tempfile.TemporaryDirectory(prefix="sansio-net-postgres-") as home:
        shutil.chown(home, POSTGRES, POSTGRES)
        as_postgres = ("setpriv", f"--reuid={POSTGRES}", f"--regid={POSTGRES}")
        as_postgres += ("--clear-groups",)
        init = (f"{programs}/initdb", "-D", f"{home}/data", "-A", "trust", "-N")
        subprocess.run((*as_postgres, *init), check=True, capture_output=True)
        for name in ("cert.pem", "key.pem"):
            shutil.copy(folder / name, home)
            shutil.chown(f"{home}/{name}", POSTGRES, POSTGRES)
        os.chmod(f"{home}/key.pem", 0o600)
        trusted = Path(home, "data", "pg_hba.conf")
        trusted.write_text("host all all 0.0.0.0/0 trust\n")
        settings = {
            "ssl": "on",
            "ssl_cert_file": f"{home}/cert.pem",
            "ssl_key_file": f"{home}/key.pem",
            "unix_socket_directories": home,
            "listen_addresses": address,
            "fsync": "off",
        }
        words = [word for pair in settings.items() for word in ("-c", "=".join(pair))]
        program = (f"{programs}/postgres", "-D", f"{home}/data", *words)
        process = host.start(*as_postgres, *program)
        try:
            yield process
        finally:
            process.stop()


def start_peers(host: Host, folder: Path, where: str) -> Process:
    """library_peers.py, once it is ready."""
    module = "tests.interop.library_peers"
    process = host.start(sys.executable, "-m", module, where, str(folder))
    process.expect(b"ready\n")
    return process
