"""`python -m onlycare_socket` is the command `onlycare-socket`."""

from onlycare_socket.cli import main

if __name__ == "__main__":
    main()
