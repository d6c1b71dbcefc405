"""`onlycare-socket doctor`: does this deployment work, and if not, what is to be done.

`examination.py` runs the checks. One file holds those of each side: `on_paper.py` (settings), `local.py` (the server at
its port), `laravel.py` and `back.py` (to Laravel, and from it), `outside.py` and `tls.py` (what phones see),
`clock.py`. What other servers answer is data, never an error: `exchange.py` and `handshake.py` turn it into words.
"""

from onlycare_socket.cli.doctor.examination import examine
from onlycare_socket.cli.doctor.page import as_fields, write
from onlycare_socket.cli.doctor.subject import examined

__all__ = ["as_fields", "examine", "examined", "write"]
