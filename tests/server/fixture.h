// A server on port 0 over a store in memory, with a disk that hangs and fails on demand.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bus/server/pipeline.h"
#include "bus/server/server.h"
#include "bus/server/session.h"
#include "bus/server/verifier.h"
#include "guards/registry.h"
#include "tests/server/raw_client.h"
#include "tests/support/memory_store.h"

namespace pawl::test {

// Shared by the server's backends, one after the other, and the test.
class Disk {
 public:
  // Commits wait until let_go().
  void hang();
  void let_go();
  // A commit hangs now.
  void wait_until_hanging();
  // Fails the n-th commit from now, 1 being the next; its rows are lost, or kept all the same.
  void fail_commit(int n, FailedWrite fate = FailedWrite::lost);
  // Opening for writing, or at all, fails until told otherwise.
  void refuse_writing(bool refuse);
  void refuse_reading(bool refuse);
  // The open store finds nothing any more and says so.
  void fail_reads();

  server::OpenBackend opener();
  Status commit(store::Store& store, const core::Batch& batch);

 private:
  Result<server::Backend> open(bool read_only);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool hang_ = false;
  bool hanging_ = false;
  int fail_in_ = 0;
  FailedWrite fate_ = FailedWrite::lost;
  bool refuse_writing_ = false;
  bool refuse_reading_ = false;
  std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
};

class ServerFixture {
 public:
  explicit ServerFixture(server::ServerOptions options = {}, core::BusConfig config = {});
  ~ServerFixture();

  RawClient client() { return RawClient::tcp(port_); }
  uint16_t port() const { return port_; }
  Disk& disk() { return disk_; }
  // Drains and returns when run() has.
  void stop();

 private:
  Disk disk_;
  std::unique_ptr<server::Server> server_;
  uint16_t port_ = 0;
  std::thread thread_;
};

// The main path without sockets: a pipeline whose turns, time and disk are the test's.
class Stage {
 public:
  Stage();
  ~Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // Ends the turn, waits for its commit, if there is one, and begins the next, so much later.
  void turn(int64_t ms = 1);

  Disk disk;
  core::BusConfig config;
  std::unique_ptr<guards::GuardChain> guards = guards::make_guard_chain();
  server::Engine engine{config, *guards, disk.opener(), [] {}};
  server::Verifier verifier{[] {}};
  server::Pipeline pipeline{engine, {}};
  server::Access access{config, "", [] {}};
  server::Session session{pipeline, verifier, access, {}};

 private:
  int64_t mono_ms_ = 1000;
};

// A client of a stage, there as long as this is.
class StageClient : public server::Client {
 public:
  StageClient(Stage& stage, core::ClientId number) : Client(number), stage_(stage) {
    stage_.pipeline.add(*this);
  }
  ~StageClient() { stage_.pipeline.remove(*this); }
  StageClient(const StageClient&) = delete;
  StageClient& operator=(const StageClient&) = delete;

  // Runs it; nothing is committed.
  void run(const std::vector<std::string>& words);
  // The replies that may leave, as the bytes are.
  std::string heard();
  // Runs it, ends the turn, and takes what may leave then.
  std::string ask(const std::vector<std::string>& words);

 private:
  Stage& stage_;
};

}  // namespace pawl::test
