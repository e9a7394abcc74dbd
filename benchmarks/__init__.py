"""Performance across commits, for `asv`: a file for each question, and the answers by kernel.

`speed` how long does a call take?  `ratio` how does that compare with TensorFlow, and with the work there is?  `memory` what does a call
need?  `accuracy` how near to its bound does it err?  `correctness` is it right at all?  `harness` what does verifying cost, and how soon
does it find a fault?  `importing` how long until the package is there?  `machine` what could this machine do?

These files run against every commit, old ones too: they import nothing but `convverify` at the top, and look up what they need in
`setup`.  What a commit does not have is n/a (`NotImplementedError`); what it gets wrong is not timed.
"""
