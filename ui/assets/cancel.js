/* Asks, in the place of the button itself, before a job is cancelled. The focus goes to the answer that changes nothing, and afterwards to what
   there is to see: the button, or the job's state. */
(function () {
  "use strict";

  function ask(asking) {
    document.getElementById("job-cancel-ask").hidden = asking;
    document.getElementById("job-cancel-sure").hidden = !asking;
  }

  function keep() {
    ask(false);
    document.getElementById("job-cancel-ask").focus();
  }

  document.addEventListener("click", function (event) {
    const button = event.target.closest("#job-cancel-place button");
    if (!button) return;
    if (button.id === "job-cancel-not") keep();
    else if (button.id === "job-cancel-ask") {
      ask(true);
      document.getElementById("job-cancel-not").focus();
    } else {  // Dash hears the press, too
      ask(false);
      document.getElementById("job-state").focus();
    }
  });

  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape" && event.target.closest("#job-cancel-sure")) keep();
  });
})();
