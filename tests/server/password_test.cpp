// Hashes of passwords, and the comparing of secrets.
#include "bus/server/password.h"

#include <catch2/catch.hpp>
#include <vector>

#include "bus/base/limits.h"

namespace pawl::test {
namespace {

TEST_CASE("password: a hash knows its password and no other") {
  const server::HashCost cheap{1, 8192};
  const auto hash = server::hash_password("open sesame", cheap);
  REQUIRE(hash.ok());
  CHECK(hash->starts_with("$argon2id$"));
  CHECK(server::fault_of_hash(*hash).empty());
  CHECK(*server::hash_password("open sesame", cheap) != *hash);
  CHECK(server::matches_hash(*hash, "open sesame"));
  for (const char* other : {"", "open sesam", "open sesame ", "Open sesame"}) {
    CHECK_FALSE(server::matches_hash(*hash, other));
  }
  CHECK(server::hash_password("x")->starts_with("$argon2id$v=19$m=65536,t=2,p=1$"));
  CHECK_FALSE(server::hash_password("", cheap).ok());
  CHECK(server::hash_password(std::string(limits::password_bytes_max, 'x'), cheap).ok());
  CHECK_FALSE(server::hash_password(std::string(limits::password_bytes_max + 1, 'x'), cheap).ok());

  struct Row {
    std::string text;
    const char* fault;
  };
  const std::string none = "holds no hash of a password";
  const std::vector<Row> rows = {
      {"", none.c_str()},
      {"secret", none.c_str()},
      {hash->substr(0, hash->size() - 1), none.c_str()},
      {*hash + "x", none.c_str()},
      {*hash + std::string(1, '\0'), none.c_str()},
      {"$2y$10$" + std::string(53, 'a'), none.c_str()},
      {std::string(500, 'x'), none.c_str()},
      {"$argon2id$v=19$m=4194304,t=2,p=1$" + hash->substr(hash->find("p=1$") + 4),
       "holds a hash that takes more than 1 GiB of memory to check"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(server::fault_of_hash(row.text) == row.fault);
  }
  CHECK(server::fingerprint_of(*hash, "a") != server::fingerprint_of(*hash, "b"));
  CHECK(server::fingerprint_of("h", "a") == server::fingerprint_of("h", "a"));
  CHECK(server::fingerprint_of("h", "a") != server::fingerprint_of("ha", ""));
}

TEST_CASE("password: secrets are the same or they are not") {
  struct Row {
    const char* given;
    const char* secret;
    bool same;
  };
  for (const Row row : {Row{"a", "a", true},
                        {"a", "b", false},
                        {"ab", "a", false},
                        {"a", "ab", false},
                        {"aa", "a", false},
                        {"", "a", false},
                        {"a", "", false},
                        {"", "", true}}) {
    CHECK(server::same_secret(row.given, row.secret) == row.same);
  }
}

}  // namespace
}  // namespace pawl::test
