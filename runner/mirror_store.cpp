#include "runner/mirror_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "runner/files.h"
#include "runner/line_file.h"

namespace pawl::runner {
namespace {

using client::Json;

constexpr int64_t format_version = 1;
constexpr size_t position_bytes_max = 4096;
constexpr int64_t failed_bytes_max = int64_t{16} << 20;

std::string position_path(const std::string& folder, const std::string& channel) {
  return folder + "/" + channel + ".position";
}

std::string encode(const MirrorPosition& position) {
  Json document;
  document.set("mirror", format_version);
  document.set("seq", position.seq);
  document.set("tries", int64_t{position.tries});
  document.set("posted", static_cast<int64_t>(position.posted));
  document.set("failed", static_cast<int64_t>(position.failed));
  return client::dump(document) + "\n";
}

std::optional<int64_t> number_of(const Json& document, std::string_view name) {
  const Json* value = document.field(name);
  if (!value || !value->as_int() || *value->as_int() < 0) return std::nullopt;
  return *value->as_int();
}

std::optional<MirrorPosition> decode(const std::string& text) {
  const auto document = client::parse_json(text);
  if (!document || number_of(*document, "mirror") != format_version) return std::nullopt;
  const auto seq = number_of(*document, "seq");
  const auto tries = number_of(*document, "tries");
  const auto posted = number_of(*document, "posted");
  const auto failed = number_of(*document, "failed");
  if (!seq || !tries || !posted || !failed) return std::nullopt;
  MirrorPosition position;
  position.seq = *seq;
  position.tries = static_cast<uint32_t>(*tries);
  position.posted = static_cast<uint64_t>(*posted);
  position.failed = static_cast<uint64_t>(*failed);
  return position;
}

}  // namespace

Result<MirrorStore> MirrorStore::open(const std::string& folder) {
  auto lock = FolderLock::take(folder);
  if (lock) return MirrorStore(std::move(*lock));
  if (lock.error().code == Code::state) {
    return make_error(Code::state,
                      folder + " is in use by " + lock.error().text +
                          ": another mirror of this bus (pawl up starts one by itself); end that "
                          "one, or give this one a folder of its own with --spool");
  }
  return make_error(Code::err, "positions cannot be kept: " + lock.error().text +
                                   "; name a folder of this machine that can be written with --spool");
}

Result<std::optional<MirrorPosition>> MirrorStore::load_from(const std::string& folder,
                                                             const std::string& channel) {
  const std::string path = position_path(folder, channel);
  if (access(path.c_str(), F_OK) != 0 && errno == ENOENT) return std::optional<MirrorPosition>();
  const auto text = read_file(path, position_bytes_max);
  if (!text) return text.error();
  const auto position = decode(*text);
  if (position) return position;
  return make_error(Code::err, path +
                                   " is damaged, or of another version of pawl; remove it to begin with "
                                   "what happens from now on");
}

Status MirrorStore::save(const std::string& channel, const MirrorPosition& position) {
  return write_file(position_path(folder(), channel), encode(position), 0600, true);
}

Status MirrorStore::note_failed(const NotifyChannel& channel, const NotifyEntry& entry,
                                const std::string& why) {
  const std::string path = folder() + "/" + channel.name + ".failed";
  struct stat status {};
  if (stat(path.c_str(), &status) == 0 && status.st_size > failed_bytes_max) {
    std::rename(path.c_str(), (path + ".1").c_str());
  }
  Json document;
  document.set("delivery", delivery_id(channel, entry));
  document.set("why", why);
  document.set("entry", entry.json);
  return append_line(path, client::dump(document));
}

}  // namespace pawl::runner
