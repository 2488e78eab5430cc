#include "bus/store/wal_log.h"

#include <rocksdb/file_checksum.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "bus/base/parse.h"

namespace pawl::store {
namespace {

constexpr size_t block_bytes = 32768;
constexpr size_t header_bytes = 7;
constexpr std::string_view no_record{"\0\0\0\0\0\0\0", header_bytes};
constexpr uint8_t type_full = 1;
constexpr uint8_t type_first = 2;
constexpr uint8_t type_middle = 3;
constexpr uint8_t type_last = 4;
constexpr uint32_t crc_mask_delta = 0xa282ead8;

uint32_t crc32c(std::string_view bytes) {
  static const auto factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  const auto generator = factory->CreateFileChecksumGenerator({});
  generator->Update(bytes.data(), bytes.size());
  generator->Finalize();
  // RocksDB hands the number out as four big-endian bytes.
  uint32_t crc = 0;
  for (const char byte : generator->GetChecksum()) crc = crc << 8 | static_cast<uint8_t>(byte);
  return crc;
}

uint32_t masked(uint32_t crc) { return (crc >> 15 | crc << 17) + crc_mask_delta; }

uint32_t little_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i - 1]);
  return value;
}

}  // namespace

std::string log_path(const std::string& database, uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return database + "/" + digits + ".log";
}

Result<std::vector<uint64_t>> log_numbers(const std::string& database) {
  std::vector<uint64_t> numbers;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(database, error)) {
    if (entry.path().extension() != ".log") continue;
    const auto number = parse_int(entry.path().stem().string());
    if (number && *number > 0) numbers.push_back(static_cast<uint64_t>(*number));
  }
  if (error) return make_error(Code::err, "cannot read " + database + ": " + error.message());
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<bool> is_plain_log(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) return make_error(Code::err, "cannot open " + path + ": " + std::strerror(errno));
  std::string block(block_bytes, '\0');
  bool inside = false;
  bool ended = false;  // only zeros may follow
  while (file) {
    file.read(block.data(), static_cast<std::streamsize>(block_bytes));
    const std::string_view bytes(block.data(), static_cast<size_t>(file.gcount()));
    size_t offset = 0;
    ended = ended || (!inside && bytes.starts_with(no_record));
    while (!ended && bytes.size() - offset >= header_bytes) {
      const size_t length = little_endian(bytes.substr(offset + 4, 2));
      const auto type = static_cast<uint8_t>(bytes[offset + 6]);
      const bool begins = type == type_full || type == type_first;
      if (type < type_full || type > type_last || begins == inside) return false;
      offset += header_bytes + length;
      if (offset > bytes.size()) return false;
      inside = type == type_first || type == type_middle;
      ended = !inside && bytes.substr(offset).starts_with(no_record);
    }
    if (ended && bytes.find_first_not_of('\0', offset) != std::string_view::npos) return false;
    // Only a whole block may leave a few bytes over.
    if (!ended && bytes.size() < block_bytes && offset < bytes.size()) return false;
  }
  if (file.bad()) return make_error(Code::err, "cannot read " + path + ": " + std::strerror(errno));
  return !inside;
}

std::optional<LogReader::Fragment> LogReader::fragment_at(size_t offset) const {
  const size_t block_end = std::min(bytes_.size(), (offset / block_bytes + 1) * block_bytes);
  if (offset + header_bytes > block_end) return std::nullopt;
  const std::string_view header = bytes_.substr(offset, header_bytes);
  const size_t length = little_endian(header.substr(4, 2));
  const auto type = static_cast<uint8_t>(header[6]);
  if (type < type_full || type > type_last || offset + header_bytes + length > block_end) return std::nullopt;
  // The checksum covers the type byte and what follows it.
  if (masked(crc32c(bytes_.substr(offset + 6, 1 + length))) != little_endian(header.substr(0, 4))) {
    return std::nullopt;
  }
  return Fragment{type, bytes_.substr(offset + header_bytes, length), offset + header_bytes + length};
}

size_t LogReader::skip_block_trailer(size_t offset) const {
  const size_t left = block_bytes - offset % block_bytes;
  return left < header_bytes ? offset + left : offset;
}

bool LogReader::only_zeros_from(size_t offset) const {
  return bytes_.find_first_not_of('\0', offset) == std::string_view::npos;
}

std::optional<std::string_view> LogReader::next() {
  assembled_.clear();
  bool inside = false;
  for (;;) {
    position_ = skip_block_trailer(position_);
    if (position_ >= bytes_.size() || only_zeros_from(position_)) {
      damaged_ = damaged_ || inside;
      return std::nullopt;
    }
    const auto fragment = fragment_at(position_);
    const bool begins = fragment && (fragment->type == type_full || fragment->type == type_first);
    if (!fragment || begins == inside) {
      damaged_ = true;
      return std::nullopt;
    }
    position_ = fragment->end;
    assembled_.append(fragment->payload);
    inside = true;
    if (fragment->type == type_full || fragment->type == type_last) {
      sound_bytes_ = position_;
      return assembled_;
    }
  }
}

bool LogReader::resume() {
  // Within the damaged block a record may begin at any byte; the blocks after it are tried in the
  // same way, which costs little because a wrong place is nearly always told by its type and length.
  for (size_t offset = position_; offset < bytes_.size(); ++offset) {
    const auto fragment = fragment_at(offset);
    if (!fragment || fragment->payload.empty()) continue;
    if (fragment->type != type_full && fragment->type != type_first) continue;
    position_ = offset;
    return true;
  }
  return false;
}

}  // namespace pawl::store
