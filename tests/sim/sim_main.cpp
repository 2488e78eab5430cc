// pawl_sim: runs seeds of the simulation.
//   pawl_sim --seed 7 [--trace]      one seed; with its whole story
//   pawl_sim --seeds 1..1000         a range; stops at the first failure
//   --steps N                        turns per seed (default 200); must be the same to replay
//   --twice                          each seed twice: the batches must be the same, byte for byte
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "bus/base/parse.h"
#include "tests/sim/simulation.h"

namespace {

volatile uint64_t running_seed = 0;

// A broken invariant stops the process: say which seed it was.
extern "C" void tell_seed(int) {
  char text[64];
  const int size = std::snprintf(text, sizeof text, "pawl_sim: stopped in seed %llu\n",
                                 static_cast<unsigned long long>(running_seed));
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, static_cast<size_t>(size));
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

struct Arguments {
  uint64_t first = 1;
  uint64_t last = 100;
  size_t steps = 200;
  bool trace = false;
  bool twice = false;
  bool keep_going = false;
};

int usage() {
  std::cerr << "usage: pawl_sim [--seed N | --seeds A..B] [--steps N] [--trace] [--twice] [--keep-going]\n";
  return 2;
}

std::optional<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--trace")
      arguments.trace = true;
    else if (word == "--twice")
      arguments.twice = true;
    else if (word == "--keep-going")
      arguments.keep_going = true;
    else if (i + 1 >= argc)
      return std::nullopt;
    else if (const std::string value = argv[++i]; word == "--seeds") {
      const size_t dots = value.find("..");
      if (dots == std::string::npos) return std::nullopt;
      const auto first = pawl::parse_int(value.substr(0, dots));
      const auto last = pawl::parse_int(value.substr(dots + 2));
      if (!first || !last || *first < 0 || *last < *first) return std::nullopt;
      arguments.first = static_cast<uint64_t>(*first);
      arguments.last = static_cast<uint64_t>(*last);
    } else {
      const auto number = pawl::parse_int(value);
      if (!number || *number < 0) return std::nullopt;
      if (word == "--seed")
        arguments.first = arguments.last = static_cast<uint64_t>(*number);
      else if (word == "--steps")
        arguments.steps = static_cast<size_t>(*number);
      else
        return std::nullopt;
    }
  }
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse(argc, argv);
  if (!arguments) return usage();
  const auto start = std::chrono::steady_clock::now();
  size_t operations = 0, restarts = 0, messages = 0, failures = 0;
  std::signal(SIGABRT, tell_seed);
  for (uint64_t seed = arguments->first; seed <= arguments->last; ++seed) {
    running_seed = seed;
    const auto result = pawl::sim::simulate(seed, arguments->steps, arguments->trace ? &std::cout : nullptr);
    operations += result.operations;
    restarts += result.restarts;
    messages += result.messages;
    if (result.failure) {
      std::cout << to_text(*result.failure);
      if (arguments->steps != 200) std::cout << "  with --steps " << arguments->steps << "\n";
      std::cout.flush();
      ++failures;
      if (!arguments->keep_going) return 1;
    }
    if (arguments->twice && pawl::sim::simulate(seed, arguments->steps).chain != result.chain) {
      std::cout << "seed " << seed << ": two runs ended in different batches\n";
      return 1;
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << (arguments->last - arguments->first + 1) << " seeds, " << operations << " operations, "
            << messages << " messages, " << restarts << " restarts, " << failures << " failures in "
            << took.count() << " s\n";
  return failures == 0 ? 0 : 1;
}
