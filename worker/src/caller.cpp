#include "caller.hpp"

namespace umbel {

Called ThreadCaller::call(const Call& call) {
  const auto& job = call.job;
  try {
    return succeeded(job.registered->call(call.context, job.task.args, job.task.kwargs),
                     call.ignore_result);
  } catch (...) {
    return raised_by(std::current_exception());
  }
}

}  // namespace umbel
