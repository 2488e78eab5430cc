#include "cli/dispatch.h"

int main(int argc, char** argv) {
  return pawl::cli::run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
