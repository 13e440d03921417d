"""What the binary runs. It lies here, as the freezer puts its folder first on the path of modules."""

import os
import ssl
import sys

from canalgate import __version__

AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
)


def trust_what_this_system_trusts(files=AUTHORITIES):
    """Name the file of authorities: OpenSSL looks where the system has it that the binary was made on."""
    if sys.platform == "linux" and ssl.get_default_verify_paths().cafile is None:
        for file in files:
            if os.path.exists(file):
                os.environ["SSL_CERT_FILE"] = file
                return


if __name__ == "__main__":
    if sys.argv[1:] == ["--version"]:  # before half a second of imports: scripts ask it often
        print(f"canalgate {__version__}")
        sys.exit()

    import multiprocessing

    from canalgate.proxy.cli import main

    trust_what_this_system_trusts()
    multiprocessing.freeze_support()
    sys.exit(main())
