"""Erasing a partner is a run like any other, so that the history says when it happened."""

import dagster as dg

from equity_pipeline.defs.failures import told_to_a_person
from equity_pipeline.partners import erasure
from equity_pipeline.storage.home import Home

ERASE = "erase"


def erase(home: Home) -> dg.JobDefinition:
    """A job that removes one partner from every layer and writes a receipt."""

    @dg.op(config_schema={"partner_id": str})
    def erase_partner(context: dg.OpExecutionContext) -> None:
        with told_to_a_person():
            receipt = erasure.erase_partner(home, context.op_config["partner_id"])
        context.log.info(f"receipt: {receipt}")

    @dg.job(name=ERASE, description="Remove one partner from every layer; writes a receipt.")
    def erase_job() -> None:
        erase_partner()

    return erase_job
