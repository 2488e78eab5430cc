// What a pure layer must never do. No build knows this file; violation_test.sh shows that it cannot link.
#include <rocksdb/db.h>

namespace pawl::core {

bool opens_a_database(const std::string& path) {
  rocksdb::DB* database = nullptr;
  return rocksdb::DB::Open(rocksdb::Options(), path, &database).ok();
}

}  // namespace pawl::core
