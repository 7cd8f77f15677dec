#include "umbel/metrics/catalogue.hpp"

namespace umbel::metrics {

const std::vector<const Family*>& all_families() {
  static const std::vector<const Family*> kAll{
      &kBuildInfo, &kLabelsFolded, &kProcessResident, &kProcessCpu, &kProcessStart, &kProcessFds,
      &kProcessThreads,
      // worker
      &kTasksReceived, &kTasksFinished, &kTaskRunSeconds, &kTaskWaitSeconds, &kTasksActive,
      &kWorkerSlots, &kTasksPrefetched, &kTaskRedelivered, &kTaskDuplicates, &kTasksUndecodable,
      &kTasksSuperseded, &kSlotsStuck, &kTasksStuck, &kProcessesLost, &kControlRequests,
      &kCallerResults, &kCallerResultsWaiting, &kCallerResultErrors, &kChordParts, &kEventsSent,
      &kEventsDropped, &kBrokerErrors, &kStoreErrors,
      // reddit
      &kSubmissionFetchTime, &kSubmissionsFetched, &kSubmissionsDiscovered,
      &kSubmissionFetchFailures, &kSubmissionsGap, &kSubmissionTitleLength, &kSubmissionTextLength,
      &kSubmissionScore, &kSubmissionComments, &kSubmissionAge, &kRedditPhaseSeconds,
      &kRedditPostponed, &kRedditPostponedSeconds, &kRedditBudgetLeft,
      // scheduler
      &kSchedulePaused, &kScheduleLastRun, &kScheduleNextRun, &kScheduleTicks, &kScheduleLag,
      &kScheduleEntries, &kScheduleReloads, &kScheduleReloaded, &kScheduleFileError,
      &kTicksForgotten, &kClockSteps,
      // collector
      &kEventsReceived, &kEventsUndecodable, &kEventsGap, &kEventBatchesCut, &kEventStreamFull,
      &kEventLag, &kEventsLast, &kTasksClosed, &kTasksUnknown, &kControlQuestions, &kTasksByState,
      &kTasksEvicted, &kHistoryRows, &kHistoryBatchSeconds, &kHistoryErrors, &kHistoryWaiting,
      &kHistoryShed, &kHistoryReread, &kBlindSeconds, &kLiveTaskBytes, &kQueueTasks,
      &kQueueConsumers, &kQueueOldest, &kQueuePublished, &kQueueAcked, &kWorkers, &kHistoryWriter,
      &kTasksOnLostWorkers, &kPages, &kPagesDropped, &kHttpConnections, &kHttpTurned,
      &kHttpRequests, &kTasksAccepted, &kStoreForgotten, &kStoreBytes, &kStoreFreeBytes};
  return kAll;
}

}  // namespace umbel::metrics
