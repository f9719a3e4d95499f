"""Examples of what is sent. In this order they make a small ledger, and the tests post them so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "party": {
        "party_id": "selangor-dc", "name": "Selangor Data Center", "roles": "recipient", "headquarters": "MY",
        "ultimate_parent": "self", "confidence": "confirmed",
    },
    "ownership": {"owner": "shanghai-holding", "owned": "gulf-cloud", "percentage": "60", "from": "2025-07-01"},
    "rating": {
        "chip_id": "nvidia-h100-sxm5-80", "vendor": "NVIDIA", "name": "H100 SXM5 80GB", "dense_tops_8bit": "1979",
        "dense_tops_16bit": "989.4", "die_area_mm2": "814", "dram_bandwidth_gb_s": "3350", "data_center": "yes",
    },
    "rulebook": {"name": "us-diffusion-2025", "from": "2025-01-13"},
    "authorization": {
        "authorization_id": "MY-1", "kind": "license", "exporter": "nvidia", "recipient": "selangor-dc",
        "destination": "MY", "first_day": "2025-06-01", "last_day": "2026-05-31",
    },
    "movement": {
        "movement": "grant", "effective_on": "2025-06-02", "exporter": "nvidia",
        "lines": [
            {"destination": "MY", "recipient": "selangor-dc", "authorization": "MY-1", "chip": "nvidia-h100-sxm5-80",
             "quantity": 49000},
        ],
    },
    "period": {"closed_until": "2025-05-31"},
    "discrepancy": {"change": "explained", "note": "Ten chips of an older shipment."},
    "stock": {
        "party_id": "selangor-dc", "as_of": "2025-06-01",
        "lines": [{"destination": "MY", "chip": "nvidia-h100-sxm5-80", "quantity": 120}],
    },
    "notice": {
        "duty": "lpp-limit-reached", "party": "selangor-dc", "filed_on": "2025-07-22", "subject": "2025",
        "reference": "BIS-2025-114",
    },
    "proposal": {
        "kind": "movement", "key": "ship-2", "note": "The rest of the first lot.",
        "body": {"movement": "ship", "effective_on": "2025-08-04", "exporter": "nvidia",
                 "lines": [{"destination": "MY", "recipient": "selangor-dc", "authorization": "MY-1",
                            "chip": "nvidia-h100-sxm5-80", "quantity": 2000}]},
    },
    "decision": {"decision": "approve", "note": "As agreed with the exporter."},
}  # fmt: skip

BATCH: Mapping[str, Any] = {
    "together": False,
    "items": [
        {"kind": "movement", "key": "ship-1",
         "body": {"movement": "ship", "effective_on": "2025-07-10", "exporter": "nvidia",
                  "lines": [{"destination": "MY", "recipient": "selangor-dc", "authorization": "MY-1",
                             "chip": "nvidia-h100-sxm5-80", "quantity": 8000}]}},
        {"kind": "movement", "key": "receive-1", "observed": True,
         "body": {"movement": "receive", "effective_on": "2025-07-21",
                  "lines": [{"destination": "MY", "recipient": "selangor-dc", "authorization": "MY-1",
                             "chip": "nvidia-h100-sxm5-80", "quantity": 8010}]}},
    ],
}  # fmt: skip
