#include "bus/server/client.h"

namespace pawl::server {
namespace {

constexpr size_t kept_capacity_bytes = size_t{16} << 10;

}  // namespace

void Client::consume(size_t bytes) {
  at += bytes;
  if (at == in.size()) {
    in.clear();
    at = 0;
    if (in.capacity() > kept_capacity_bytes) in.shrink_to_fit();
  } else if (at > kept_capacity_bytes && at > in.size() / 2) {
    in.erase(0, at);
    at = 0;
  }
}

void Client::leave_multi() {
  in_multi = false;
  multi_malformed = false;
  multi_bytes = 0;
  queued.clear();
}

}  // namespace pawl::server
