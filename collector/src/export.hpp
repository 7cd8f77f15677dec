// GET /api/export: what a search finds, as a file. Read and sent page by page, so that a hundred
// thousand tasks take no more memory than one page.
#pragma once

#include "search.hpp"

namespace umbel::collector {

// `parts` outlives the answer's being sent.
[[nodiscard]] http::Response export_tasks(const SearchParts& parts, const http::Request& request);

}  // namespace umbel::collector
