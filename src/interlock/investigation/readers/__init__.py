"""Reads whatever an engineer has at hand and says what each entry comes to.

    reading = open_inputs(["incident.md", "logs/"])
    for entry in reading:          # Observation or Audit, in the order of the inputs, in constant memory
        ...
    reading.inputs                 # per input: name, format, counts, repairs, what was refused and why

Nothing that is wrong with the data raises; it is counted, shown under `refused`, and the rest is read.
"""

from interlock.investigation.finding import Input
from interlock.investigation.readers.reading import FORMATS, Reading, UnknownFormat, open_inputs

__all__ = ["FORMATS", "Input", "Reading", "UnknownFormat", "open_inputs"]
