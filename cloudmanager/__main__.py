"""`python -m cloudmanager` is the command `cloudmanager`."""

from cloudmanager.cli import main

main()
