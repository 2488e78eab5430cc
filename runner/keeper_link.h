// The launcher's side of a keeper: starts one, or takes up with one that a launcher before left.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bus/base/result.h"
#include "runner/keeper.h"
#include "runner/up_folder.h"

namespace pawl::runner {

class KeeperLink {
 public:
  // Starts `program` as a keeper with exactly this environment ("NAME=value"); its socket is sock/BOOT.
  static Result<KeeperLink> start(const UpFolder& folder, const std::string& boot, const std::string& program,
                                  const KeeperOptions& options, const std::vector<std::string>& environment);
  // ERR when nobody is there any more.
  static Result<KeeperLink> attach(const UpFolder& folder, const std::string& boot);

  KeeperLink(KeeperLink&& other) noexcept;
  KeeperLink& operator=(KeeperLink&& other) noexcept;
  KeeperLink(const KeeperLink&) = delete;
  KeeperLink& operator=(const KeeperLink&) = delete;
  ~KeeperLink();

  int fd() const { return fd_; }
  pid_t keeper_pid() const { return pid_; }  // 0: not a child of ours
  // The next packet; nothing when there is none now. closed(): the keeper is gone.
  std::optional<std::string> take();
  bool closed() const { return closed_; }
  void send(std::string_view packet) const;

 private:
  KeeperLink(int fd, pid_t pid) : fd_(fd), pid_(pid) {}
  int fd_ = -1;
  pid_t pid_ = 0;
  bool closed_ = false;
};

}  // namespace pawl::runner
