"""What the clients were told, held against what the bus says after it was killed and started again."""
import random
import time

from load import HOLD_MS, LEASE_MS, UNKNOWN, read_payload
from wire import ErrorReply, as_map

LIVE = (b"scheduled", b"ready")
STALE_SAMPLE = 200
OLD_SAMPLE = 300


class Delivery:
    def __init__(self, token, sent):
        self.token = token
        self.lease_until = sent + LEASE_MS / 1000
        self.final = None  # how it was ended: (verb, answer)


class Message:
    def __init__(self, message):
        self.id = message
        self.serial = None
        self.key = None
        self.deliveries = {}
        self.newest = 0     # the highest delivery known, also of claims whose answer was lost
        self.over = False   # done or dead, seen by a check

    def last(self):
        return self.deliveries.get(self.newest)


class Judge:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.messages = {}
        self.tokens = {}
        self.sent = {}          # serial → key, of every push ever sent
        self.refused = set()    # serials whose push was answered with an error
        self.homes = {}         # serial → the ids that it was seen under
        self.together = []      # unanswered MPUSHes: all of their serials or none
        self.must = {}          # serial → whether it must exist, by an EXEC whose ack tells
        self.touched = set()
        self.faults = []
        self.counts = dict.fromkeys(("pushes", "claims", "acks", "fails", "releases", "extends", "transactions", "stale_tokens",
                                     "unknown", "unanswered_claims", "ghosts", "carried"), 0)
        self.ledgers = 0             # sets of ledgers taken in: the clock of the two below
        self.unanswered_keys = {}    # key → when a push under it first stayed without an answer
        self.newest_cut_claim = 0    # when a claim last stayed without an answer
        self.taken_for_stale = []  # a lie of `run --lie`

    def fault(self, text):
        self.faults.append(text)

    # ---- the ledgers of one round

    def add(self, ledgers):
        self.ledgers += 1
        entries = [entry for ledger in ledgers for entry in ledger]
        self.counts["unknown"] += sum(entry["answer"] is UNKNOWN or entry["answer"] == UNKNOWN for entry in entries)
        for entry in entries:
            if entry["kind"] == "push":
                self.add_push(entry)
            elif entry["kind"] == "mpush":
                self.add_mpush(entry)
            elif entry["kind"] == "exec":
                self.sent[entry["serial"]] = None
                if isinstance(entry["answer"], list):
                    self.learn_push(entry["answer"][1], entry["serial"], None)
        for entry in entries:
            self.add_claims(entry)
        for entry in entries:
            if entry["kind"] == "extend":
                self.add_extend(entry)
        for entry in entries:
            if entry["kind"] in ("ack", "fail", "release", "exec"):
                self.add_final(entry)
            elif entry["kind"] == "stale":
                self.add_stale(entry)

    def add_push(self, entry):
        self.sent[entry["serial"]] = entry["key"]
        if entry["answer"] == UNKNOWN:
            self.unanswered_keys.setdefault(entry["key"], self.ledgers)
            return
        if isinstance(entry["answer"], ErrorReply):
            self.refused.add(entry["serial"])
            self.fault(f"a push was refused: {entry['answer']}")
            return
        self.learn_push(entry["answer"], entry["serial"], entry["key"])

    def add_mpush(self, entry):
        for serial in entry["serials"]:
            self.sent[serial] = None
        if entry["answer"] == UNKNOWN:
            self.together.append(entry["serials"])
            return
        for message, serial in zip(entry["answer"], entry["serials"]):
            self.learn_push(message, serial, None)

    def learn_push(self, message, serial, key):
        self.counts["pushes"] += 1
        known = self.messages.get(message)
        if known is None:
            known = self.messages[message] = Message(message)
            known.key = key
            if key is None:
                known.serial = serial
                self.see(serial, message)
        elif key is None or known.key != key:
            self.fault(f"{message} was the answer to the push of {serial}, but it is the id of {known.serial} with key {known.key}")
        self.touched.add(message)

    def see(self, serial, message):
        homes = self.homes.setdefault(serial, set())
        homes.add(message)
        if len(homes) > 1:
            self.fault(f"{serial} was pushed once and is there twice: {homes}")

    def add_claims(self, entry):
        if entry["kind"] != "claim" and not entry.get("next"):
            return
        if entry["answer"] == UNKNOWN:
            self.counts["unanswered_claims"] += 1
            self.newest_cut_claim = self.ledgers
        for message, token, delivery, read in entry.get("claims", ()):
            self.counts["claims"] += 1
            self.learn_payload(message, read)
            known = self.messages[message]
            before = self.tokens.setdefault(token, (message, delivery))
            if before != (message, delivery):
                self.fault(f"token {token} was given out twice: {before} and {(message, delivery)}")
            if delivery in known.deliveries and known.deliveries[delivery].token != token:
                self.fault(f"delivery {delivery} of {message} was given out twice: two live claims")
            known.deliveries[delivery] = Delivery(token, entry["sent"])
            known.newest = max(known.newest, delivery)

    def learn_payload(self, message, read):
        """A payload as the bus gave it out: read_payload's answer."""
        self.touched.add(message)
        if read is None:
            self.fault(f"the payload of {message} is not one that was ever sent")
            self.messages.setdefault(message, Message(message))
            return
        serial, key = read
        if serial not in self.sent:
            self.fault(f"{message} carries {serial}, which nobody pushed")
        if serial in self.refused:
            self.fault(f"{message} carries {serial}, whose push was answered with an error")
        known = self.messages.get(message)
        if known is None:  # the push of it was not answered
            known = self.messages[message] = Message(message)
            known.key = key
        if known.serial is None:
            known.serial = serial
            self.see(serial, message)
        if (known.serial, known.key) != (serial, key):
            self.fault(f"{message} is {known.serial} and came with the payload of {serial}")

    def delivery_of(self, entry):
        return self.messages[entry["id"]].deliveries[entry["delivery"]]

    def lost(self, entry, delivery):
        if time.monotonic() < delivery.lease_until:
            self.fault(f"{entry['kind']} of {entry['id']} delivery {entry['delivery']}: a live token was refused: {entry['answer']}")

    def add_extend(self, entry):
        self.touched.add(entry["id"])
        if entry["answer"] == UNKNOWN:
            return
        self.counts["extends"] += 1
        delivery = self.delivery_of(entry)
        if isinstance(entry["answer"], ErrorReply):
            self.lost(entry, delivery)
        else:
            delivery.lease_until = time.monotonic() + HOLD_MS / 1000

    def add_final(self, entry):
        self.touched.add(entry["id"])
        delivery, answer, kind = self.delivery_of(entry), entry["answer"], entry["kind"]
        if answer == UNKNOWN:
            delivery.final = (kind, UNKNOWN)
            if kind == "exec":
                delivery.final = (kind, UNKNOWN, entry["serial"])
            return
        if isinstance(answer, ErrorReply):
            if answer.code != "LOST":
                self.fault(f"{kind} of {entry['id']} was answered {answer}")
            self.lost(entry, delivery)
            delivery.final = ("lapse", answer)
            return
        self.counts[{"ack": "acks", "fail": "fails", "release": "releases", "exec": "transactions"}[kind]] += 1
        delivery.final = ("ack", "OK") if kind == "exec" else (kind, answer)

    def add_stale(self, entry):
        if entry["answer"] == UNKNOWN:
            return
        self.counts["stale_tokens"] += 1
        if not (isinstance(entry["answer"], ErrorReply) and entry["answer"].code == "LOST"):
            self.fault(f"a stale token of {entry['id']} delivery {entry['delivery']} worked: {str(entry['answer'])[:60]}")

    # ---- after the restart

    def check(self, wire, everything=False):
        """Looks at what this round touched, what is still alive and some of the rest; the claims that are still ours."""
        alive = {one.id for one in self.messages.values() if not one.over}
        over = [one.id for one in self.messages.values() if one.over]
        old = over if everything else self.random.sample(over, min(len(over), OLD_SAMPLE))
        ids = sorted(alive | self.touched | set(old))
        self.touched = set()
        ours = []
        for start in range(0, len(ids), 500):
            part = ids[start:start + 500]
            for message, row in zip(part, wire.pipeline([["GET", one] for one in part])):
                claim = self.check_one(self.messages[message], row)
                if claim is not None:
                    ours.append(claim)
        self.check_stale(wire)
        return ours

    def check_one(self, message, row):
        if row is None or isinstance(row, ErrorReply):
            self.fault(f"{message.id} was answered and is gone ({row})")
            return None
        row = as_map(row)
        state, count = row["state"], row["deliveries"]
        self.learn_payload(message.id, read_payload(row["payload"]))
        where = f"{message.id} is {state.decode()} after {count} deliveries"
        if count < message.newest:
            self.fault(f"{where}, but delivery {message.newest} was answered")
            return None
        if count > message.newest:
            return self.check_ghost(message, state, count, where)
        return self.check_last(message, state, where)

    def check_ghost(self, message, state, count, where):
        """Claimed by somebody whose answer the kill cut off: possible where the last claim that we know had ended."""
        self.counts["ghosts"] += 1
        last = message.last()
        if self.newest_cut_claim != self.ledgers and not self.ghost_from_before(message):
            self.fault(f"{where}, but every claim of the round was answered")
        if last is not None and (last.final is None or last.final[0] == "ack" and last.final[1] != UNKNOWN):
            if last.final is not None or time.monotonic() < last.lease_until:
                self.fault(f"{where}, but delivery {message.newest} was {'acknowledged' if last.final else 'ours'}")
        if state not in (b"claimed", b"dead", *LIVE):
            self.fault(f"{where}: nobody knew the token of its last delivery")
        message.newest = count

    def ghost_from_before(self, message):
        """Neither its push nor its claim was answered, in rounds before; a push under its key named it only now."""
        pushed = self.unanswered_keys.get(message.key) if message.key is not None else None
        return message.newest == 0 and pushed is not None and pushed <= self.newest_cut_claim

    def check_last(self, message, state, where):
        last = message.last()
        message.over = state in (b"done", b"dead")
        if last is None:
            lapsed_ghosts = message.newest > 0
            if state not in LIVE and not (lapsed_ghosts and state in (b"claimed", b"dead")):
                self.fault(f"{where}, but nobody claimed it")
            return None
        kind, answer = last.final[:2] if last.final else (None, None)
        lapsed = time.monotonic() >= last.lease_until
        allowed = self.allowed(kind, answer, lapsed)
        if state not in allowed:
            self.fault(f"{where}; the last that was known: delivery {message.newest}, {kind or 'claimed'} → {str(answer)[:60]}")
            return None
        self.resolve(message, last, state)
        if state == b"claimed":
            return message.id, last.token, message.newest
        return None

    @staticmethod
    def allowed(kind, answer, lapsed):
        after_lapse = (*LIVE, b"dead")
        if kind is None:
            return (b"claimed", *after_lapse) if lapsed else (b"claimed",)
        if kind == "lapse":
            return (*after_lapse, b"claimed")
        unknown = answer == UNKNOWN
        still = ((b"claimed", *after_lapse) if lapsed else (b"claimed",)) if unknown else ()
        if kind in ("ack", "exec"):
            return (b"done", *still)
        if kind == "release":
            return (*LIVE, *still)
        if unknown:
            return (*after_lapse, *still)
        return (b"dead",) if as_map(answer)["state"] == b"dead" else LIVE

    def resolve(self, message, last, state):
        """What was unknown shows in the state."""
        if last.final is None or last.final[1] != UNKNOWN:
            return
        kind = last.final[0]
        happened = state != b"claimed" and (kind not in ("ack", "exec") or state == b"done")
        if kind == "exec":
            self.must[last.final[2]] = happened
        if not happened:
            last.final = None
        elif kind in ("ack", "exec"):
            last.final = ("ack", "OK")
        else:
            last.final = ("release", "OK") if state in LIVE else ("fail", {"state": state})
        message.over = state in (b"done", b"dead")

    def check_stale(self, wire):
        """Tokens of deliveries that ended, as far as the clients were told, work no more."""
        ended = [(message.id, one.token, number) for message in self.messages.values() for number, one in message.deliveries.items()
                 if number < message.newest or one.final is not None and one.final[1] != UNKNOWN]
        some = self.random.sample(ended, min(len(ended), STALE_SAMPLE)) + self.taken_for_stale
        for claim, answer in zip(some, wire.pipeline([["ACK", message, token] for message, token, _ in some])):
            self.add_stale({"id": claim[0], "delivery": claim[2], "answer": answer})

    # ---- at the end, when everything has been claimed and ended

    def check_end(self, wire):
        self.check(wire, everything=True)
        for message in self.messages.values():
            if not message.over:
                self.fault(f"{message.id} reached no end")
        for serials in self.together:
            seen = sum(serial in self.homes for serial in serials)
            if seen not in (0, len(serials)):
                self.fault(f"{seen} of the {len(serials)} messages of one unanswered MPUSH are there")
        for serial, wanted in self.must.items():
            if (serial in self.homes) != wanted:
                self.fault(f"half of a transaction: its ack {'happened' if wanted else 'did not happen'}, its push of {serial} "
                           f"{'did not' if wanted else 'did'}")
        totals = [as_map(role) for role in wire.call("ROLES")]
        counted = sum(role["done"] + role["dead"] for role in totals)
        if counted != len(self.messages):
            self.fault(f"the bus counts {counted} messages that ended, the ledger {len(self.messages)}")
