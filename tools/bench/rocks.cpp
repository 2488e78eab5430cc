// The limit that the disk and RocksDB set: no bus, no network.
//
//   bench_rocks rows DIR PUSHES BATCH BYTES [stock]
//     Lets the bus's own core make the batches of PUSHES messages' lives (pushed, claimed and acknowledged
//     BATCH at a time), keeps their rows, then writes the same rows to a fresh database, one synced
//     WriteBatch each. With the settings of the bus, or with RocksDB's own ("stock").
//   bench_rocks bytes DIR BATCH BYTES
//     How many bytes the log gets for a push, a claim and an acknowledgement of BATCH messages.
//   bench_rocks sync DIR COUNT BYTES [BYTES …]
//     Appends so many bytes to a file and calls fdatasync, COUNT times; one size after the other.
//
// One line of JSON on stdout. DIR must be there, and is left with files in it.
#include <fcntl.h>
#include <rocksdb/db.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/base/limits.h"
#include "bus/core/bus.h"
#include "bus/store/families.h"
#include "bus/store/rocks_options.h"
#include "bus/store/rocks_store.h"
#include "tools/bench/load_figures.h"

namespace {

using namespace pawl;
using Claim = std::pair<std::string, std::string>;  // id, token

[[noreturn]] void die(const std::string& text) {
  std::fprintf(stderr, "bench_rocks: %s\n", text.c_str());
  std::exit(1);
}

int64_t since_epoch_us(auto clock_time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(clock_time.time_since_epoch()).count();
}
int64_t now_us() { return since_epoch_us(std::chrono::steady_clock::now()); }

class OpenGate final : public core::Gate {
 public:
  core::Answer admit_claim(const core::Candidate&, const core::Desk&) const override { return {}; }
  std::vector<core::Verdict> explain(const core::Candidate&, const core::Desk&) const override { return {}; }
};

// Keeps claims and looks for errors.
class Replies final : public core::Outbox, private core::ReplyWriter {
 public:
  core::ReplyWriter& reply_to(core::ClientId) override { return *this; }
  void carries_claim(core::ClientId, const BirthKey& message, uint64_t token) override {
    claims.emplace_back(encode_id(message), encode_token(token));
  }
  void publish(std::string_view, std::string_view) override {}

  std::vector<Claim> claims;

 private:
  void nil() override {}
  void integer(int64_t) override {}
  void bulk(std::string_view) override {}
  void simple(std::string_view text) override {
    if (text != "OK") die("the core answered " + std::string(text));
  }
  void error(const Error& error) override { die("the core refused: " + error.text); }
  void array(size_t) override {}
  void map(size_t) override {}
};

// What a batch writes, ready for RocksDB.
struct Row {
  store::Family family;
  std::string key;
  std::optional<std::string> value;  // nothing: erase
};
using Rows = std::vector<Row>;

// The core over a store of its own, as the server has it.
class Recorder {
 public:
  Recorder(const std::string& directory, size_t bytes) : payload_(bytes, 'x') {
    store::RocksOptions options;
    options.directory = directory;
    auto opened = store::open_rocks_store(options);
    if (!opened.ok()) die(opened.error().text);
    store_ = std::move(*opened);
    auto bus = core::Bus::open(*store_, config_, gate_);
    if (!bus.ok()) die(bus.error().text);
    bus_ = std::move(*bus);
  }

  Rows push(size_t count) { return commit(core::op::MultiPush{"bench", {count, payload_}}); }
  Rows claim(size_t count) {
    core::op::Claim claim;
    claim.daemon = "bench";
    claim.roles = {"bench"};
    claim.count = count;
    replies_.claims.clear();
    Rows rows = commit(claim);
    if (replies_.claims.size() != count) die("not every message could be claimed");
    return rows;
  }
  Rows ack() {
    core::op::MultiAck acks;
    for (const auto& [id, token] : replies_.claims) acks.items.emplace_back(id, token);
    return commit(acks);
  }

 private:
  Rows commit(const core::Operation& operation) {
    bus_->begin_turn({since_epoch_us(std::chrono::system_clock::now()) / 1000, now_us() / 1000});
    static_cast<void>(bus_->apply(1, operation, replies_));
    bus_->tick(replies_);
    const core::Batch batch = bus_->seal();
    if (!store_->write(batch).ok()) die("the store failed a write");
    bus_->committed();
    Rows rows;
    static_cast<void>(
        batch.for_each([&](core::Table table, std::string_view key, std::optional<std::string_view> value) {
          Row& row = rows.emplace_back();
          row.family = store::family_of(table);
          store::family_key(table, key, row.key);
          if (value) row.value = *value;
        }));
    return rows;
  }

  const std::string payload_;
  core::BusConfig config_;
  OpenGate gate_;
  Replies replies_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<core::Bus> bus_;
};

class Raw {
 public:
  Raw(const std::string& directory, bool stock) {
    store::RocksOptions options;
    options.directory = directory;
    store::DatabaseSettings settings = store::database_settings(options);
    if (stock) {
      settings.database = rocksdb::DBOptions();
      for (auto& family : settings.families) family.options = rocksdb::ColumnFamilyOptions();
    }
    settings.database.create_if_missing = true;
    settings.database.create_missing_column_families = true;
    rocksdb::DB* opened = nullptr;
    const auto status =
        rocksdb::DB::Open(settings.database, directory, settings.families, &families_, &opened);
    if (!status.ok()) die(status.ToString());
    db_.reset(opened);
  }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;
  ~Raw() {
    for (auto* family : families_) static_cast<void>(db_->DestroyColumnFamilyHandle(family).ok());
    static_cast<void>(db_->Close().ok());
  }

  // The bytes that the log gets.
  size_t write(const Rows& rows, bool sync) {
    rocksdb::WriteBatch batch;
    for (const Row& row : rows) {
      auto* family = families_[1 + static_cast<size_t>(row.family)];
      const auto status = row.value ? batch.Put(family, row.key, *row.value) : batch.Delete(family, row.key);
      if (!status.ok()) die(status.ToString());
    }
    if (sync) {
      const auto status = db_->Write(store::durable_write(), &batch);
      if (!status.ok()) die(status.ToString());
    }
    return batch.GetDataSize();
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
};

std::string folder(const std::string& under, const std::string& name) {
  const std::string path = under + "/" + name;
  std::filesystem::create_directory(path);
  return path;
}

void measure_rows(const std::string& directory, size_t pushes, size_t at_once, size_t bytes, bool stock) {
  std::vector<Rows> batches;
  const size_t cycles = std::max<size_t>(pushes / at_once, 1);
  {
    Recorder recorder(folder(directory, "core"), bytes);
    for (size_t i = 0; i < cycles; ++i) {
      batches.push_back(recorder.push(at_once));
      batches.push_back(recorder.claim(at_once));
      batches.push_back(recorder.ack());
    }
  }
  Raw raw(folder(directory, "raw"), stock);
  bench::Latencies latencies;
  const int64_t began = now_us();
  for (const Rows& rows : batches) {
    const int64_t asked = now_us();
    static_cast<void>(raw.write(rows, true));
    latencies.record(now_us() - asked);
  }
  const double seconds = static_cast<double>(now_us() - began) / 1e6;
  std::puts(bench::figures(latencies, cycles * at_once, seconds, 0).c_str());
}

void measure_bytes(const std::string& directory, size_t at_once, size_t bytes) {
  Recorder recorder(folder(directory, "core"), bytes);
  Raw raw(folder(directory, "raw"), false);
  // The first batch of a store also makes the role.
  for (int i = 0; i < 2; ++i) {
    const size_t push = raw.write(recorder.push(at_once), false);
    const size_t claim = raw.write(recorder.claim(at_once), false);
    const size_t ack = raw.write(recorder.ack(), false);
    if (i == 1) std::printf("{\"push\": %zu, \"claim\": %zu, \"ack\": %zu}\n", push, claim, ack);
  }
}

void measure_sync(const std::string& directory, size_t count, const std::vector<size_t>& sizes) {
  const std::string path = directory + "/sync";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) die("cannot make " + path);
  bench::Latencies latencies;
  const int64_t began = now_us();
  for (size_t i = 0; i < count; ++i) {
    const std::string bytes(sizes[i % sizes.size()], 'x');
    const int64_t asked = now_us();
    if (::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) die("short write");
    if (::fdatasync(fd) != 0) die("fdatasync failed");
    latencies.record(now_us() - asked);
  }
  const double seconds = static_cast<double>(now_us() - began) / 1e6;
  ::close(fd);
  std::puts(bench::figures(latencies, count, seconds, 0).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto number = [&](size_t i) {
    return static_cast<size_t>(std::strtoull(words[i].c_str(), nullptr, 10));
  };
  if (words.size() >= 5 && words[0] == "rows") {
    measure_rows(words[1], number(2), number(3), number(4), words.size() > 5 && words[5] == "stock");
  } else if (words.size() == 4 && words[0] == "bytes") {
    measure_bytes(words[1], number(2), number(3));
  } else if (words.size() >= 4 && words[0] == "sync") {
    std::vector<size_t> sizes;
    for (size_t i = 3; i < words.size(); ++i) sizes.push_back(number(i));
    measure_sync(words[1], number(2), sizes);
  } else {
    die("usage: see the head of rocks.cpp");
  }
}
