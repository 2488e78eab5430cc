#include "cli/line_reader.h"

#include <unistd.h>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

using pawl::cli::LineReader;

namespace {

struct TextFile {
  explicit TextFile(const std::string& text) {
    const int fd = mkstemp(path.data());
    REQUIRE(fd >= 0);
    REQUIRE(write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    close(fd);
  }
  ~TextFile() { unlink(path.c_str()); }
  std::string path = "/tmp/pawl-lines-XXXXXX";
};

}  // namespace

TEST_CASE("lines: ends, empty ones, a last one without end, any bytes") {
  const std::string long_line(200'000, 'x');
  const TextFile file("a\n\nb\r\n" + long_line + "\n" + std::string("\0\xff", 2) + "\nlast");
  auto reader = LineReader::open(file.path, 300'000);
  REQUIRE(reader.ok());
  const std::string expected[] = {"a", "", "b\r", long_line, std::string("\0\xff", 2), "last"};
  std::string line;
  uint64_t number = 0;
  for (const std::string& want : expected) {
    auto got = reader->next(&line);
    REQUIRE(got.ok());
    REQUIRE(*got);
    CHECK(line == want);
    CHECK(reader->line_number() == ++number);
  }
  auto end = reader->next(&line);
  REQUIRE(end.ok());
  CHECK_FALSE(*end);
  CHECK(reader->bytes_read() == reader->size());
}

TEST_CASE("lines: a bound on one line, files that are none") {
  const TextFile file("ok\n" + std::string(1000, 'x') + "\n");
  auto reader = LineReader::open(file.path, 100);
  REQUIRE(reader.ok());
  std::string line;
  REQUIRE(reader->next(&line).ok());
  auto got = reader->next(&line);
  REQUIRE_FALSE(got.ok());
  CHECK(got.error().text.find("line 2") != std::string::npos);
  CHECK_FALSE(LineReader::open("/nonexistent", 100).ok());
  CHECK_FALSE(LineReader::open("/tmp", 100).ok());
}
