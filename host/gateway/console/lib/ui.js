// The view library: components are functions, markup is written with `html`. Text in `${…}` becomes text nodes, never markup.
import {
  html, render, createContext, useCallback, useContext, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState,
} from "../vendor/htm-preact.js";

export {
  html, render, createContext, useCallback, useContext, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState,
};
