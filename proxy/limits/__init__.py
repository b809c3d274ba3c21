"""Station 6: what a call may use is drawn from leases of this worker before it is sent, and settled at its end."""
