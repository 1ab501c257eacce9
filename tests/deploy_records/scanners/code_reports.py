"""Reports on code and what it depends on: SARIF, pip-audit, Bandit, npm audit."""

from typing import Any

from tests.deploy_records.scanners.image_reports import VECTOR

SARIF: dict[str, Any] = {
    "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
    "version": "2.1.0",
    "runs": [
        {
            "tool": {
                "driver": {
                    "name": "CodeQL",
                    "semanticVersion": "2.19.0",
                    "rules": [
                        {
                            "id": "py/sql-injection",
                            "name": "SqlInjection",
                            "shortDescription": {"text": "SQL from a user"},
                            "fullDescription": {"text": "A query is built from what a user sent."},
                            "helpUri": "https://example.org/help",
                            "defaultConfiguration": {"level": "error"},
                            "properties": {"tags": ["security", "external/cwe/cwe-089"], "security-severity": "8.8"},
                        },
                        {"id": "py/unused", "messageStrings": {"default": {"text": "{0} is not used."}}},
                    ],
                },
                "extensions": [{"name": "more", "rules": [{"id": "more/note", "defaultConfiguration": {"level": "note"}}]}],
            },
            "invocations": [{"executionSuccessful": True, "endTimeUtc": "2026-11-20T06:00:00Z"}],
            "versionControlProvenance": [{"repositoryUri": "https://example.org/app.git", "revisionId": "abc"}],
            "artifacts": [{"location": {"uri": "app/views.py"}}],
            "results": [
                {
                    "ruleId": "py/sql-injection",
                    "ruleIndex": 0,
                    "message": {"text": "This query depends on a user."},
                    "locations": [
                        {
                            "physicalLocation": {
                                "artifactLocation": {"uri": "app/models.py"},
                                "region": {"startLine": 12, "startColumn": 5},
                            }
                        }
                    ],
                    "partialFingerprints": {"primaryLocationLineHash": "39fa2ee980eb94b0:1"},
                },
                {
                    "ruleId": "py/unused",
                    "message": {"id": "default", "arguments": ["os"]},
                    "locations": [{"physicalLocation": {"artifactLocation": {"index": 0}, "region": {"startLine": 1}}}],
                    "suppressions": [{"kind": "inSource", "justification": "kept for others"}],
                },
                {
                    "ruleId": "more/note",
                    "rule": {"index": 0, "toolComponent": {"index": 0}},
                    "message": {"text": "Of an extension."},
                    "taxa": [{"id": "79", "toolComponent": {"name": "CWE"}}],
                },
            ],
        }
    ],
}
PIP_AUDIT: dict[str, Any] = {
    "dependencies": [
        {
            "name": "py_thing",
            "version": "1.0",
            "vulns": [
                {
                    "id": "PYSEC-2026-10",
                    "fix_versions": ["1.1", "2.0"],
                    "aliases": ["CVE-2026-1002", "GHSA-5555-6666-7777"],
                    "description": "It does too much.",
                }
            ],
        },
        {"name": "fine", "version": "2.0", "vulns": []},
        {"name": "own-thing", "skip_reason": "it is not on PyPI"},
    ],
    "fixes": [],
}
BANDIT: dict[str, Any] = {
    "errors": [{"filename": "app/broken.py", "reason": "syntax error while parsing AST from file"}],
    "generated_at": "2026-11-20T06:00:00Z",
    "metrics": {"_totals": {"loc": 20}, "app/a.py": {"loc": 10}, "app/b.py": {"loc": 10}},
    "results": [
        {
            "code": "7 subprocess.call(x, shell=True)\n",
            "col_offset": 4,
            "end_col_offset": 30,
            "filename": "app/a.py",
            "issue_confidence": "HIGH",
            "issue_cwe": {"id": 78, "link": "https://cwe.mitre.org/data/definitions/78.html"},
            "issue_severity": "HIGH",
            "issue_text": "subprocess call with shell=True identified, security issue.",
            "line_number": 7,
            "line_range": [7],
            "more_info": "https://bandit.readthedocs.io/en/1.8.0/plugins/b602_subprocess_popen_with_shell_equals_true.html",
            "test_id": "B602",
            "test_name": "subprocess_popen_with_shell_equals_true",
        }
    ],
}
NPM_AUDIT: dict[str, Any] = {
    "auditReportVersion": 2,
    "vulnerabilities": {
        "minimist": {
            "name": "minimist",
            "severity": "critical",
            "isDirect": False,
            "via": [
                {
                    "source": 1097678,
                    "name": "minimist",
                    "title": "Prototype pollution in minimist",
                    "url": "https://github.com/advisories/GHSA-xvch-5gv4-984h",
                    "severity": "critical",
                    "cwe": ["CWE-1321"],
                    "cvss": {"score": 9.8, "vectorString": VECTOR},
                    "range": "<0.2.4",
                }
            ],
            "effects": ["mkdirp"],
            "range": "<=0.2.3",
            "nodes": ["node_modules/minimist"],
            "fixAvailable": {"name": "mkdirp", "version": "0.5.6", "isSemVerMajor": False},
        },
        "mkdirp": {
            "name": "mkdirp",
            "severity": "critical",
            "via": ["minimist"],
            "effects": [],
            "range": "0.4.1 - 0.5.1",
            "nodes": ["node_modules/mkdirp"],
            "fixAvailable": True,
        },
    },
    "metadata": {"vulnerabilities": {"critical": 2, "total": 2}, "dependencies": {"prod": 3, "total": 12}},
}
