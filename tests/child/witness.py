"""A command that tells which signals it gets, one number a line, after `ready`. The last signal there is ends it."""

import os
import signal
import sys

signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
to = int(sys.argv[1]) if len(sys.argv) > 1 else 1
os.write(to, b"ready\n")
while True:
    got = signal.sigwaitinfo(signal.valid_signals()).si_signo
    if got == signal.SIGRTMAX:
        break
    os.write(to, b"%d\n" % got)
