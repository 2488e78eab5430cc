// `pawl serve`: reads the configuration and runs the bus until it is told to end.
#pragma once

#include <optional>
#include <string>

namespace pawl::cli {

// What was given on the command line; each one wins over the file.
struct ServeOptions {
  std::optional<std::string> data;
  std::optional<std::string> listen;
  std::optional<std::string> socket;
  std::optional<std::string> http;
  std::optional<std::string> config;
  bool check = false;  // only read the configuration and say what is wrong with it
  bool quiet = false;
};

// Returns the exit code; says on stderr what is wrong.
int run_serve(const ServeOptions& options);

}  // namespace pawl::cli
