// A program that is only a keeper, for launchers inside of tests: "pawl keep WORDS…".
#include <cstdio>

#include "runner/keeper.h"

int main(int argc, char** argv) {
  const auto options = pawl::runner::parse_keeper_words({argv + (argc > 2 ? 2 : argc), argv + argc});
  if (options) return pawl::runner::run_keeper(*options);
  std::fprintf(stderr, "%s\n", options.error().text.c_str());
  return 2;
}
