#include "tests/server/fixture.h"

#include <stdexcept>

#include "bus/server/log.h"

namespace pawl::test {
namespace {

constexpr int64_t stage_wall_ms = 1'700'000'000'000;

class DiskJournal final : public journal::Journal {
 public:
  DiskJournal(Disk& disk, store::Store& store) : disk_(disk), store_(store) {}
  Status commit(const core::Batch& batch) override { return disk_.commit(store_, batch); }

 private:
  Disk& disk_;
  store::Store& store_;
};

}  // namespace

void Disk::hang() {
  const std::lock_guard<std::mutex> lock(mutex_);
  hang_ = true;
}

void Disk::let_go() {
  const std::lock_guard<std::mutex> lock(mutex_);
  hang_ = false;
  changed_.notify_all();
}

void Disk::wait_until_hanging() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return hanging_; });
}

void Disk::fail_commit(int n, FailedWrite fate) {
  const std::lock_guard<std::mutex> lock(mutex_);
  fail_in_ = n;
  fate_ = fate;
}

void Disk::refuse_writing(bool refuse) {
  const std::lock_guard<std::mutex> lock(mutex_);
  refuse_writing_ = refuse;
}

void Disk::refuse_reading(bool refuse) {
  const std::lock_guard<std::mutex> lock(mutex_);
  refuse_reading_ = refuse;
}

void Disk::fail_reads() {
  const std::lock_guard<std::mutex> lock(mutex_);
  store_->fail_reads();
}

server::OpenBackend Disk::opener() {
  return [this](bool read_only) { return open(read_only); };
}

Result<server::Backend> Disk::open(bool read_only) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (read_only ? refuse_reading_ : refuse_writing_)
    return make_error(Code::err, "the test's disk is broken");
  store_ = store_->clone();
  server::Backend backend;
  backend.store = store_;
  if (!read_only) backend.journal = std::make_unique<DiskJournal>(*this, *store_);
  return backend;
}

Status Disk::commit(store::Store& store, const core::Batch& batch) {
  std::unique_lock<std::mutex> lock(mutex_);
  hanging_ = hang_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return !hang_; });
  hanging_ = false;
  const bool fails = fail_in_ > 0 && --fail_in_ == 0;
  if (fails && fate_ == FailedWrite::lost) return make_error(Code::err, "the test's disk failed");
  const Status written = store.write(batch);
  if (fails) return make_error(Code::err, "the test's disk failed");
  return written;
}

ServerFixture::ServerFixture(server::ServerOptions options, core::BusConfig config) {
  server::log::set_level(server::log::Level::error);
  if (!options.tcp) options.tcp = server::Address{"127.0.0.1", 0};
  auto opened = server::Server::open(std::move(options), std::move(config), disk_.opener());
  if (!opened.ok()) throw std::runtime_error(error_line(opened.error()));
  server_ = std::move(opened.value());
  port_ = server_->tcp_port();
  thread_ = std::thread([this] { server_->run(); });
}

void ServerFixture::stop() {
  if (!thread_.joinable()) return;
  server_->stop();
  thread_.join();
}

ServerFixture::~ServerFixture() {
  disk_.let_go();
  stop();
}

Stage::Stage() {
  if (const Status started = engine.start(); !started) throw std::runtime_error(error_line(started.error()));
  pipeline.set_session(session);
  pipeline.begin_turn({stage_wall_ms, mono_ms_});
}

void Stage::turn(int64_t ms) {
  mono_ms_ += ms;
  pipeline.end_turn(false);
  while (!engine.wait_for_commit(1'000'000)) {
  }
  pipeline.begin_turn({stage_wall_ms + mono_ms_, mono_ms_});
}

void StageClient::run(const std::vector<std::string>& words) {
  in += RawClient::encode(words);
  stage_.pipeline.run_commands(*this);
}

std::string StageClient::heard() {
  const std::string all(replies.to_send());
  replies.sent(all.size());
  return all;
}

std::string StageClient::ask(const std::vector<std::string>& words) {
  run(words);
  stage_.turn();
  return heard();
}

}  // namespace pawl::test
