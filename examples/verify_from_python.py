"""Verify from Python: look at the report, and at the counterexample of a kernel that is wrong.

python examples/verify_from_python.py       prints "verified", then "refuted" and the smallest case
"""

from mine import conv2d, conv2d_square

import convverify

if __name__ == "__main__":
    report = convverify.verify(conv2d, references="exact", problems=["x=4x16x16x3 w=3x3x3x16"])  # instead of drawn ones
    assert report.ok
    print(report.verdict, "on", report.statistics.problems, "problems")

    report = convverify.verify(conv2d_square, references="exact", max_examples=100)
    assert not report.ok
    for example in report.counterexamples:
        print(f"{report.verdict}: {example.property}: {example.sentence}\n  {example.case}")
        again = convverify.replay(conv2d_square, example.case)
        assert again.verdict == "refuted"
