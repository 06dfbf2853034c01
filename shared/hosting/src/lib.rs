//! Where a function runs: AWS Lambda, Cloud Run or a plain port, chosen by the environment.
