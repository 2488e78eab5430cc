#include "bus/server/verifier.h"

#include "bus/server/pipeline.h"

namespace pawl::server {

void Verifier::request(core::ClientId client, std::shared_ptr<store::Store> store) {
  queue_.push_back({client, std::move(store)});
  if (queue_.size() == 1) begin();
}

void Verifier::begin() {
  // The snapshot goes before the store that it belongs to, both before poll() is told.
  worker_.run([this, store = std::move(queue_.front().store)] {
    const std::unique_ptr<core::StateView> view = store->snapshot();
    report_ = core::verify(*view);
  });
}

void Verifier::poll(Pipeline& pipeline) {
  if (!worker_.take_done()) return;
  const core::ClientId id = queue_.front().client;
  queue_.pop_front();
  if (Client* client = pipeline.find(id); client != nullptr && client->wait == Wait::verify) {
    pipeline.answer(*client, [&](protocol::RespWriter& writer) {
      writer.map(4);
      writer.bulk("ok");
      writer.integer(report_.ok ? 1 : 0);
      writer.bulk("messages");
      writer.integer(static_cast<int64_t>(report_.messages));
      writer.bulk("rows");
      writer.integer(static_cast<int64_t>(report_.rows));
      writer.bulk("problems");
      writer.array(report_.problems.size());
      for (const std::string& problem : report_.problems) writer.bulk(problem);
    });
    pipeline.finish_wait(*client);
  }
  if (!queue_.empty()) begin();
}

}  // namespace pawl::server
