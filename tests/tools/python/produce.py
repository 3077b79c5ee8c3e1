"""Confluent's own Python client as a producer that this project did not write.

Reads one JSON object per line from standard input and does it:
  {"key": "acme", "avro": {...}}         a record whose value the AvroSerializer makes (needs --schema)
  {"key": "acme", "text": "..."}         a record with that text as its value; "hex" for any bytes
  {"transaction": "begin"}               or "commit" or "abort" (needs --transactional-id)
  {"flush": true}                        waits until all that was sent is acknowledged
  {"key": "acme", "tombstone": true}     a record without a value
A record may also have "headers" (an object of strings), "hex_headers" (of bytes in hex), "partition", and "timestamp" (in
milliseconds since 1970; a topic of LogAppendTime takes no notice of it).
Prints {"partition": p, "offset": o} for each acknowledged record, and fails if any was not.
"""

import argparse
import json
import sys

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

arguments = argparse.ArgumentParser()
arguments.add_argument("--bootstrap", required=True)
arguments.add_argument("--topic", required=True)
arguments.add_argument("--schema", help="file of the Avro schema of the values")
arguments.add_argument("--registry", default="mock://tests", help="schema registry; mock:// needs no server")
arguments.add_argument("--partitioner", default="murmur2_random")
arguments.add_argument("--transactional-id")
arguments.add_argument("-X", dest="properties", action="append", default=[], help="a librdkafka property, name=value")
options = arguments.parse_args()

configuration = {"bootstrap.servers": options.bootstrap, "partitioner": options.partitioner, "acks": "all"}
if options.transactional_id:
    configuration["transactional.id"] = options.transactional_id
configuration.update(property.split("=", 1) for property in options.properties)
producer = Producer(configuration)

serialize = None
if options.schema:
    registry = SchemaRegistryClient.new_client({"url": options.registry})
    with open(options.schema, encoding="utf-8") as file:
        serialize = AvroSerializer(registry, file.read())
value_of = SerializationContext(options.topic, MessageField.VALUE)
unacknowledged = []
aborting = False


def delivered(error, message):
    if error is None:
        print(json.dumps({"partition": message.partition(), "offset": message.offset()}), flush=True)
    elif not aborting:  # an abort purges what is still on its way; that is what it is for
        unacknowledged.append(str(error))


if options.transactional_id:
    producer.init_transactions(30)
for line in sys.stdin:
    step = json.loads(line)
    if "transaction" in step:
        aborting = step["transaction"] == "abort"
        {"begin": producer.begin_transaction, "commit": producer.commit_transaction, "abort": producer.abort_transaction}[
            step["transaction"]
        ]()
        continue
    if step.get("flush"):
        producer.flush(30)
        continue
    if "avro" in step:
        if serialize is None:
            sys.exit("a step with `avro` needs --schema")
        value = serialize(step["avro"], value_of)
    elif step.get("tombstone"):
        value = None
    else:
        value = bytes.fromhex(step["hex"]) if "hex" in step else step["text"].encode()
    headers = [(name, text.encode()) for name, text in step.get("headers", {}).items()]
    headers += [(name, bytes.fromhex(value)) for name, value in step.get("hex_headers", {}).items()]
    producer.produce(
        options.topic,
        key=step.get("key"),
        value=value,
        headers=headers,
        partition=step.get("partition", -1),
        timestamp=step.get("timestamp", 0),
        on_delivery=delivered,
    )
    producer.poll(0)
left = producer.flush(60)
if left or unacknowledged:
    sys.exit(f"{left} records were never acknowledged; errors: {unacknowledged[:5]}")
