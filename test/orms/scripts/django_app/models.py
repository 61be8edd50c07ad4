"""A drive application: plans are a reference table, documents and notes are sharded by user_id."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Plan(models.Model):
    name = models.CharField(max_length=40, unique=True)

    class Meta:
        db_table = "dj_plan"


class Doc(models.Model):
    user_id = models.BigIntegerField()
    title = models.CharField(max_length=80, null=True)
    price = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    meta = models.JSONField(default=dict)
    tags = ArrayField(models.CharField(max_length=10), default=list)
    made = models.DateTimeField(auto_now_add=True)
    plan = models.ForeignKey(Plan, null=True, on_delete=models.DO_NOTHING)
    flag = models.BooleanField(null=True)
    day = models.DateField(null=True)
    span = models.DurationField(null=True)

    class Meta:
        db_table = "dj_doc"


class Note(models.Model):
    user_id = models.BigIntegerField()
    # Its constraint would have to have the sharding key in it.
    doc = models.ForeignKey(Doc, on_delete=models.CASCADE, db_constraint=False)
    body = models.TextField(null=True)

    class Meta:
        db_table = "dj_note"
