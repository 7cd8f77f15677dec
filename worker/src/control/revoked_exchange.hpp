// What is revoked, as workers tell each other when one of them starts (Celery's mingle).
#pragma once

#include <boost/json.hpp>

#include "revoked_set.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

// id -> [time, id]. The times are JSON floats, whatever their value: Celery takes nothing else.
[[nodiscard]] boost::json::object revoked_document(RevokedSet& revoked);

// Takes in such a document, plain floats in the place of the lists, or a list of ids. What comes
// before a fault is taken. Errc::Invalid: worded as the repr of what Python would raise.
[[nodiscard]] Result<void> merge_revoked(RevokedSet& into, const boost::json::value& document);

}  // namespace umbel
