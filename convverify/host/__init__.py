"""Hosts: processes that hold one kernel each and call it on request.

What runs in a host needs the standard library and NumPy alone.  A host imports this folder under another name (`boot.NAME`), so that
neither `convverify` nor anything that knows what is right is to be found in its process.  `process` and `inprocess` are the judge's side.
"""
