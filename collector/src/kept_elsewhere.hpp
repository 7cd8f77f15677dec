// Results that Celery's own tasks keep in their result backend, as if the store had them: what a
// monitor that missed their end looks up.
#pragma once

#include "umbel/results/caller_results.hpp"
#include "umbel/store/result_store.hpp"

namespace umbel::collector {

// Reads by any thread. `kept` outlives it; null: nothing is kept. NotFound: none there, or none
// that can be read. Of who ran it and when it began such a result says nothing.
[[nodiscard]] Result<StoredTask> find_elsewhere(CallerResults* kept, const TaskId& id);

}  // namespace umbel::collector
