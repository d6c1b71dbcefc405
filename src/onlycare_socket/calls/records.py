"""How a record is changed, and what stands for a field that is left out: msgspec's, under names of a compiled module.

Compiled code reads such a name from its place in memory, and any other by searching a dict (`states` does the same).
"""

from typing import Final

import msgspec

replace: Final = msgspec.structs.replace
UNSET: Final = msgspec.UNSET
