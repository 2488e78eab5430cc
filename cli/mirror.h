// `pawl mirror`: what its ways to run share.
#pragma once

#include <string>
#include <vector>

#include "cli/config.h"
#include "cli/session.h"

namespace pawl::cli {

// Whether what [[notify]] names is there: variables of the environment, programs. A line each, by place.
Status check_notify(const FileConfig& file);

// The channels of the file, or of those the ones that are named. BADARG: there are none, or there is no such.
Result<std::vector<runner::NotifyChannel>> chosen_channels(const FileConfig& file,
                                                           const std::vector<std::string>& names);

// --test: a notice to each of them; the exit code.
int test_channels(Session* session, const std::vector<runner::NotifyChannel>& channels);
// --dry-run: prints what they would be sent; `folder` has their positions.
int show_posts(Session* session, const std::vector<runner::NotifyChannel>& channels,
               const client::Endpoint& endpoint, const std::string& folder);

}  // namespace pawl::cli
