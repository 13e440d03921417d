"""What the binary runs. It lies here, as the freezer puts its folder first on the path of modules."""

import sys

from canalgate import __version__

if __name__ == "__main__":
    if sys.argv[1:] == ["--version"]:  # before half a second of imports: scripts ask it often
        print(f"canalgate {__version__}")
        sys.exit()

    import multiprocessing

    from canalgate.proxy.cli import main

    multiprocessing.freeze_support()
    sys.exit(main())
