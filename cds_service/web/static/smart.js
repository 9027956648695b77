// The SMART app: values by pointer and keyboard, and which time is shown.
import { readable } from "./plot.js";

history.replaceState(null, "", location.pathname); // the code of the launch is used up
readable(document);
