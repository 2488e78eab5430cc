// Immutable copies of prompts, for handlers to read: a file of its own for each content, read-only, gone with
// the last setup that names it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "bus/base/result.h"

namespace pawl::runner {

class PromptCopy {
 public:
  explicit PromptCopy(std::string path) : path_(std::move(path)) {}
  PromptCopy(const PromptCopy&) = delete;
  PromptCopy& operator=(const PromptCopy&) = delete;
  ~PromptCopy();  // removes the file

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class PromptStore {
 public:
  // `folder` must exist and be this process's alone.
  explicit PromptStore(std::string folder) : folder_(std::move(folder)) {}

  // Removes what an earlier process left.
  void clear() const;
  // A copy of `text` under a name that ends in `name` (a file name). `version` names the content.
  Result<std::shared_ptr<const PromptCopy>> keep(const std::string& text, const std::string& version,
                                                 const std::string& name);

 private:
  std::string folder_;
  std::map<std::string, std::weak_ptr<const PromptCopy>> kept_;  // by file name
};

}  // namespace pawl::runner
